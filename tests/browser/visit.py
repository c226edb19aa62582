"""One visitor's browser window: what a person does and sees on the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from lab.waiting import wait_until

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TABS = 60


@dataclass(frozen=True)
class Row:
    """One request in the page's list."""

    frontend: str
    backend: str
    status: str
    new_connection: bool


@dataclass
class Visit:
    """`loaded` are the URLs that the page requested; `expected` are parts of console messages that a test provokes:
    Chromium logs every response of 400 and above."""

    page: Page
    pictures: Path
    expected: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    _messages: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, browser: Browser, site: str, pictures: Path, **options: Any) -> Self:
        settings = {"base_url": site, "locale": "pt-BR", "viewport": DESKTOP, "reduced_motion": "reduce"} | options
        page = browser.new_context(**settings).new_page()
        visit = cls(page, pictures)
        page.on("console", visit._record)
        page.on("pageerror", lambda error: visit._messages.append(f"uncaught: {error}"))
        page.on("request", lambda request: visit.loaded.append(request.url))
        page.goto("/")
        return visit

    def _record(self, message: ConsoleMessage) -> None:
        self._messages.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def console(self) -> list[str]:
        """The console messages that the test did not expect."""
        return [text for text in self._messages if not any(words in text for words in self.expected)]

    def login(self, user: dict[str, str], password: str = "") -> None:
        self.page.locator("#login [name=usuario]").fill(user["usuario"])
        self.page.locator("#login [name=senha]").fill(password or user["senha"])
        self.page.locator("#login button[type=submit], #login button:not([type])").click()

    def logged_in(self, user: dict[str, str]) -> Self:
        self.login(user)
        expect(self.field("usuario")).to_have_text(user["usuario"])
        return self

    def as_returning(self) -> Self:
        """The browser already has a cookie: press *Veja seu perfil*."""
        self.page.locator("#already").click()
        expect(self.page.locator("#profile")).to_be_visible()
        return self

    def cookies(self) -> Any:
        """The state for a second window of the same user: `visit(storage_state=here.cookies())`."""
        return {"cookies": self.page.context.cookies()}

    def logout(self) -> None:
        self.page.locator("#logout button").click()
        expect(self.page.locator("#welcome")).to_be_visible()

    def see_sessions(self) -> None:
        """Open the list of the user's sessions."""
        self.page.locator("#sessions summary").click()
        expect(self.own_session()).to_be_visible()

    def own_session(self) -> Locator:
        """This session in the list."""
        return self.page.locator("#sessions li").filter(has=self.page.locator("strong"))

    def session(self, name: str) -> Locator:
        """The session with this fingerprint in the list."""
        return self.page.locator("#sessions li").filter(has_text=name)

    def field(self, name: str) -> Locator:
        """A part of the profile: usuario, nome, sessao, visitas, …"""
        return self.page.locator(f"#profile [data-field={name}]").first

    def machine(self, name: str) -> Locator:
        """A machine on the map."""
        return self.page.locator(f'#map [data-machine="{name}"]')

    def ask(self) -> Row:
        """Press the button for one request, and return it from the list."""
        before = self.count()
        self.page.locator("#ask").click()
        self.wait_for_requests(before + 1)
        return self.rows()[0]

    def count(self) -> int:
        """The number of requests that the page has sent."""
        return int(self.page.locator("#requests").get_attribute("data-count") or 0)

    def wait_for_requests(self, number: int) -> None:
        self.page.wait_for_function(
            "number => Number(document.querySelector('#requests').dataset.count ?? 0) >= number", arg=number
        )

    def wait_for_status(self, status: str) -> None:
        """Send requests until one gets this status."""
        wait_until(lambda: self.ask().status == status, f"status {status}", 60)

    def listed(self) -> Locator:
        """The rows of the list of requests, newest first."""
        return self.page.locator("#requests tbody tr")

    def rows(self) -> list[Row]:
        """The requests in the page's list, newest first."""
        rows = self.listed().evaluate_all(
            "rows => rows.map(row => [row.dataset.frontend, row.dataset.backend, row.dataset.status,"
            " row.querySelector('.connection .new') !== null])"
        )
        return [Row(*row) for row in rows]

    def tab_to(self, selector: str) -> None:
        """Press Tab until this element has the focus."""
        for _ in range(TABS):
            if self.page.locator(selector).first.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"pressing Tab {TABS} times did not reach {selector}")

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Save a screenshot of the visible part, or of the whole page."""
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=whole)
