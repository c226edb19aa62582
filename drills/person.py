"""A virtual user: mostly looks at the profile, now and then at a page, sometimes leaves and comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from drills.browser import Browser, Reply
from drills.events import Action, Event, Known

WEIGHTS: dict[Action, int] = {"perfil": 78, "page": 14, "status": 6, "logout": 2}
"""In a hundred requests of somebody who is logged in. Every logout brings a login, which costs a backend most."""

VISIT_REQUESTS = 12
"""On average a window is closed after so many: the next request makes a new connection, and asks DNS."""

REPLAYS = 2
"""How often the cookie of an ended session is tried, on servers as they come."""


@dataclass
class Person:
    """One user at one browser. `known` is what was acknowledged, which is what the oracle holds the site to."""

    name: str
    password: str
    browser: Browser
    cookie_name: str
    pages: Sequence[str]
    rng: Random
    known: Known = "out"
    _ended: str = ""
    _replays: int = 0

    async def step(self) -> Event:
        """Do the next thing."""
        if self.rng.random() < 1 / VISIT_REQUESTS:
            await self.browser.leave()
        return await self.do(self._next())

    async def do(self, action: Action) -> Event:
        """Do one thing, remember what was acknowledged."""
        known, at, before = self.known, time.time(), self._session
        reply = await self._ask(action)
        event = self._event(action, known, at, reply, before != self._session)
        if action == "login" and event.status == 200:
            self.known, self._replays = "in", 0
        elif action == "logout":
            self.known = "out" if event.status == 204 else "leaving"
            self._ended, self._replays = (before, REPLAYS) if event.status == 204 else ("", 0)
            if event.status == 204:
                self.browser.cookies.clear()
        elif action == "replay":
            self._replays -= 1
        elif action == "perfil" and event.status == 401:
            self.known = "out"
            self.browser.cookies.clear()
        return event

    @property
    def _session(self) -> str:
        return self.browser.cookies.get(self.cookie_name, "")

    def _next(self) -> Action:
        if self.known == "in":
            return self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.known == "leaving":
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
                return await self.browser.ask("GET", "/perfil", cookies={self.cookie_name: self._ended})
            case "page":
                return await self.browser.ask("GET", self.rng.choice(self.pages), headers={"Accept": "*/*"})
            case _:
                return await self.browser.ask("GET", f"/{action}")

    def _event(self, action: Action, known: Known, at: float, reply: Reply, cookie_changed: bool) -> Event:
        answer = reply.answer
        told = _object(answer.body) if answer and action != "page" else {}
        parts = [told.get("redis"), told.get("mysql")]
        healthy = all(isinstance(part, dict) and part.get("ok") is True for part in parts)
        return Event(
            at=at,
            seconds=round(reply.seconds, 4),
            user=self.name,
            action=action,
            known=known,
            status=answer.status if answer else 0,
            identity=str(told.get("usuario", "")),
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


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
