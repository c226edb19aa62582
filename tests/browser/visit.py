"""One visitor's window on the page: what a person does and sees there, by the page's own names."""

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
    """One request as the page lists it."""

    frontend: str
    backend: str
    status: str
    new_connection: bool


@dataclass
class Visit:
    """`loaded` are the addresses of all that the page asked for, `expected` words of console messages that a test
    provokes: Chromium tells every answer of 400 and more."""

    page: Page
    pictures: Path
    expected: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, browser: Browser, site: str, pictures: Path, **options: Any) -> Self:
        settings = {"base_url": site, "locale": "pt-BR", "viewport": DESKTOP, "reduced_motion": "reduce"} | options
        page = browser.new_context(**settings).new_page()
        visit = cls(page, pictures)
        page.on("console", visit._hear)
        page.on("pageerror", lambda error: visit._said.append(f"uncaught: {error}"))
        page.on("request", lambda request: visit.loaded.append(request.url))
        page.goto("/")
        return visit

    def _hear(self, message: ConsoleMessage) -> None:
        self._said.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def console(self) -> list[str]:
        """What the browser's console said and no test expected."""
        return [text for text in self._said if not any(words in text for words in self.expected)]

    def login(self, user: dict[str, str], password: str = "") -> None:
        self.page.locator("#login [name=usuario]").fill(user["usuario"])
        self.page.locator("#login [name=senha]").fill(password or user["senha"])
        self.page.locator("#login button[type=submit], #login button:not([type])").click()

    def logged_in(self, user: dict[str, str]) -> Self:
        self.login(user)
        expect(self.field("usuario")).to_have_text(user["usuario"])
        return self

    def as_returning(self) -> Self:
        """The cookie came with the browser: press *Já entrou?*"""
        self.page.locator("#already").click()
        expect(self.page.locator("#profile")).to_be_visible()
        return self

    def cookies(self) -> Any:
        """What a second window of the same person starts with: `visit(storage_state=here.cookies())`."""
        return {"cookies": self.page.context.cookies()}

    def logout(self) -> None:
        self.page.locator("#logout button").click()
        expect(self.page.locator("#welcome")).to_be_visible()

    def field(self, name: str) -> Locator:
        """A part of the profile: usuario, nome, sessao, visitas, …"""
        return self.page.locator(f"#profile [data-field={name}]").first

    def machine(self, name: str) -> Locator:
        """A machine on the map."""
        return self.page.locator(f'#map [data-machine="{name}"]')

    def ask(self) -> Row:
        """Press the button for one request; what the list then says of it."""
        before = self.count()
        self.page.locator("#ask").click()
        self.wait_for_requests(before + 1)
        return self.rows()[0]

    def count(self) -> int:
        """How many requests the page has made."""
        return int(self.page.locator("#requests").get_attribute("data-count") or 0)

    def wait_for_requests(self, number: int) -> None:
        self.page.wait_for_function(
            "number => Number(document.querySelector('#requests').dataset.count ?? 0) >= number", arg=number
        )

    def wait_for_status(self, status: str) -> None:
        """Ask until the answer is this one."""
        wait_until(lambda: self.ask().status == status, f"an answer of {status}", 60)

    def listed(self) -> Locator:
        """The lines of the list of requests, the newest first."""
        return self.page.locator("#requests tbody tr")

    def rows(self) -> list[Row]:
        """The requests that the page lists, the newest first."""
        told = self.listed().evaluate_all(
            "rows => rows.map(row => [row.dataset.frontend, row.dataset.backend, row.dataset.status,"
            " row.querySelector('.connection .new') !== null])"
        )
        return [Row(*row) for row in told]

    def tab_to(self, selector: str) -> None:
        """Press Tab until this has the focus."""
        for _ in range(TABS):
            if self.page.locator(selector).first.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{TABS} times Tab do not lead to {selector}")

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a picture of what is seen now, or of the whole page."""
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=whole)
