"""A virtual user, who mostly looks at the profile, sometimes opens a page, and now and then logs out and in again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from drills.browser import Browser, Reply
from drills.events import Action, Event, LoginState

WEIGHTS: dict[Action, int] = {"perfil": 78, "page": 14, "status": 6, "logout": 2}
"""Out of a hundred requests of a logged-in user. Every logout is followed by a login, the most expensive request."""

VISIT_REQUESTS = 12
"""The average number of requests before a user closes the window. The next one needs DNS and a new connection."""

REPLAYS = 2
"""How often the cookie of an ended session is tried again, on any server."""


@dataclass
class VirtualUser:
    """One user with one browser. `login_state` is what the site has acknowledged, which the oracle holds it to."""

    name: str
    password: str
    browser: Browser
    cookie_name: str
    pages: Sequence[str]
    rng: Random
    login_state: LoginState = "logged_out"
    _ended_session: str = ""
    _replays: int = 0

    async def step(self) -> Event:
        """Do the next thing."""
        if self.rng.random() < 1 / VISIT_REQUESTS:
            await self.browser.leave()
        return await self.do(self._next())

    async def do(self, action: Action) -> Event:
        """Do one thing, and remember what the site acknowledged."""
        login_state, at, session = self.login_state, time.time(), self._session
        reply = await self._ask(action)
        event = self._event(action, login_state, at, reply, session != self._session)
        if action == "login" and event.status == 200:
            self.login_state, self._replays = "logged_in", 0
        elif action == "logout":
            self.login_state = "logged_out" if event.status == 204 else "unknown"
            self._ended_session, self._replays = (session, REPLAYS) if event.status == 204 else ("", 0)
            if event.status == 204:
                self.browser.cookies.clear()
        elif action == "replay":
            self._replays -= 1
        elif action == "perfil" and event.status == 401:
            self.login_state = "logged_out"
            self.browser.cookies.clear()
        return event

    @property
    def _session(self) -> str:
        return self.browser.cookies.get(self.cookie_name, "")

    def _next(self) -> Action:
        if self.login_state == "logged_in":
            return self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.login_state == "unknown":
            return "logout"
        if self._replays:
            return "replay"
        return self.rng.choice(("login", "page"))

    async def _ask(self, action: Action) -> Reply:
        match action:
            case "login":
                body = json.dumps({"usuario": self.name, "senha": self.password}).encode()
                return await self.browser.ask("POST", "/login", headers={"Content-Type": "application/json"}, body=body)
            case "logout":
                return await self.browser.ask("POST", "/logout")
            case "replay":
                return await self.browser.ask("GET", "/perfil", cookies={self.cookie_name: self._ended_session})
            case "page":
                return await self.browser.ask("GET", self.rng.choice(self.pages), headers={"Accept": "*/*"})
            case _:
                return await self.browser.ask("GET", f"/{action}")

    def _event(self, action: Action, login_state: LoginState, at: float, reply: Reply, cookie_changed: bool) -> Event:
        answer = reply.answer
        content = _json_object(answer.body) if answer and action != "page" else {}
        dependencies = [content.get("redis"), content.get("mysql")]
        healthy = all(isinstance(one, dict) and one.get("ok") is True for one in dependencies)
        return Event(
            at=at,
            seconds=round(reply.seconds, 4),
            user=self.name,
            action=action,
            login_state=login_state,
            status=answer.status if answer else 0,
            identity=str(content.get("usuario", "")),
            frontend=answer.header("x-frontend") if answer else "",
            backend=answer.header("x-backend") if answer else "",
            request_id=answer.header("x-request-id") if answer else "",
            retry_after=bool(answer and answer.header("retry-after")),
            cookie_changed=cookie_changed,
            healthy=healthy if action == "status" and answer and answer.status == 200 else None,
            looked_up=reply.looked_up,
            tries=[{**asdict(one), "seconds": round(one.seconds, 4)} for one in reply.tries],
            error=reply.error,
        )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
