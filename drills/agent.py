"""A user's browser, as far as it matters here: DNS with its TTL, the next address when one does not answer, kept
connections, cookies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie

from drills.names import NameNotFound, Names
from drills.wire import Answer, Broken, Connection, Request

CONNECT_SECONDS = 1.0
"""After this an address counts as silent, and the next one is tried."""

PATIENCE_SECONDS = 7.0
"""After this a user asks again. Frontends give up on all backends after 6 s, so only one that is itself gone is silent
for longer."""

DEADLINE_SECONDS = 15.0
"""What has no answer then has none."""


@dataclass(frozen=True)
class Try:
    """One address that was asked; `error` is '' where it answered."""

    address: str
    reused: bool
    seconds: float
    error: str


@dataclass(frozen=True)
class Reply:
    """What the user got; `answer` is None where nothing came. `looked_up` is the name server that was asked, or ''."""

    answer: Answer | None
    tries: list[Try]
    seconds: float
    error: str
    looked_up: str


class Agent:
    """One browser. Requests go one after the other.

    Args:
        site: the name in the address bar.
        names: how it finds the site's addresses.
    """

    def __init__(self, site: str, names: Names, port: int = 80) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self._names = names
        self._port = port
        self._kept: Connection | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        cookies: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask until an address answers or all have been tried. Other `cookies` than its own leave its own alone.

        Everything that this site is asked may be asked twice, so a request whose answer never came is sent to the
        next address, as a user does who presses the button again.
        """
        sent = self.cookies if cookies is None else cookies
        told = {"Host": self.site, "User-Agent": "revezamento-drill", "Accept": "application/json", **(headers or {})}
        if sent:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        started, tries, error = time.monotonic(), list[Try](), ""
        self._names.asked = ""
        answer = None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await self._ask(Request(method, path, told, body), tries)
        except TimeoutError:
            error = f"no answer in {DEADLINE_SECONDS:g} s"
        except (Broken, NameNotFound) as problem:
            error = str(problem)
        if answer and cookies is None:
            self._remember(answer)
        return Reply(answer, tries, time.monotonic() - started, error, self._names.asked)

    async def _ask(self, request: Request, tries: list[Try]) -> Answer:
        if self._kept and self._kept.is_usable:
            try:
                return await self._try(self._kept, request, tries)
            except Broken:
                pass  # a kept connection may have ended at any time: a new one is made
        self.leave()
        found = await self._names.addresses(self.site)
        failed = {one.address for one in tries}
        for address in sorted(found, key=lambda one: one in failed):
            started = time.monotonic()
            try:
                connection = await Connection.open(address, self._port, CONNECT_SECONDS)
            except Broken as problem:
                tries.append(Try(address, False, time.monotonic() - started, str(problem)))
                continue
            try:
                answer = await self._try(connection, request, tries)
            except Broken:
                continue
            self._kept = connection
            return answer
        raise Broken(f"none of {len(found)} addresses answered; the last: {tries[-1].error if tries else 'none'}")

    async def _try(self, connection: Connection, request: Request, tries: list[Try]) -> Answer:
        started, reused = time.monotonic(), connection.used > 0
        try:
            answer = await connection.exchange(request, PATIENCE_SECONDS)
        except Broken as problem:
            tries.append(Try(connection.address, reused, time.monotonic() - started, str(problem)))
            raise
        tries.append(Try(connection.address, reused, time.monotonic() - started, ""))
        return answer

    def leave(self) -> None:
        """Close the window: the next request looks for the site anew. Cookies stay."""
        if self._kept:
            self._kept.close()
        self._kept = None

    def _remember(self, answer: Answer) -> None:
        for header in answer.all("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
