"""A user's browser, as far as a drill needs one: DNS with its TTL, a kept connection, cookies, and the next address if
one does not answer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import httpcore
from dns.exception import DNSException

from drills.resolver import Resolve

CONNECT_SECONDS = 1.0
"""How long to wait for a connection before trying the next address."""

ANSWER_SECONDS = 7.0
"""How long to wait for an answer before trying the next address. A frontend gives up on its backends after 6 s, so only
a frontend that is down itself takes longer."""

DEADLINE_SECONDS = 15.0
"""How long a user waits in all."""


@dataclass(frozen=True)
class Site:
    """The site that users visit. `ca_file` holds the certificate authority to trust instead of the system's."""

    url: str
    ca_file: Path | None = None

    @property
    def name(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def host(self) -> str:
        """The Host header: the name, with the port unless it is the scheme's own."""
        return urlsplit(self.url).netloc

    def origin(self, address: str) -> httpcore.Origin:
        """Where to connect to at one of the site's addresses."""
        origin = httpcore.URL(self.url).origin
        return httpcore.Origin(origin.scheme, address.encode(), origin.port)

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.url.startswith("https:") else None


@dataclass(frozen=True)
class Request:
    """An HTTP request. A POST always has a body, though it may be empty."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An HTTP response; the names of its headers are in lower case."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of that name, '' if there is none."""
        return next(iter(self.all_headers(name)), "")

    def all_headers(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class NoAnswer(Exception):
    """The connection gave no answer and is closed; the message says why."""


class Connection:
    """One connection to one address. It belongs to no pool and retries nothing, so every failure is seen."""

    def __init__(self, site: Site, address: str) -> None:
        self.address = address
        self.is_used = False
        self._site = site
        self._origin = site.origin(address)
        self._http = httpcore.AsyncHTTPConnection(self._origin, site.tls)

    @property
    def is_usable(self) -> bool:
        """Whether the server has kept the connection open for another request."""
        return self._http.is_available() and not self._http.has_expired()

    async def send(self, request: Request) -> Answer:
        """Connect unless that has been done, send a request, and read the answer.

        Raises:
            NoAnswer: it could not connect, was cut off, or waited too long.
        """
        target = httpcore.URL(
            scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=request.path
        )
        timeout = {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS, "write": ANSWER_SECONDS}
        try:
            response = await self._http.request(
                request.method,
                target,
                headers=list(request.headers.items()),
                content=request.body if request.method == "POST" else None,
                extensions={"timeout": timeout, "sni_hostname": self._site.name},
            )
        except httpcore.ConnectTimeout:
            raise NoAnswer(f"no connection in {CONNECT_SECONDS:g} s") from None
        except httpcore.TimeoutException:
            raise NoAnswer(f"no answer in {ANSWER_SECONDS:g} s") from None
        except httpcore.ConnectError as error:
            raise NoAnswer(f"no connection: {_cause(error)}") from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise NoAnswer(f"cut off: {_cause(error)}") from None
        self.is_used = True
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
        return Answer(response.status, headers, response.content)

    async def close(self) -> None:
        await self._http.aclose()


@dataclass(frozen=True)
class Try:
    """A request to one address; `error` is '' if it answered, `reused` if its connection had been kept."""

    address: str
    reused: bool
    seconds: float
    error: str


@dataclass
class Reply:
    """What a user gets: `answer` is None if nothing came, and `error` says why.

    `looked_up` is the name server that gave the addresses; '' if none was asked.
    """

    answer: Answer | None = None
    tries: list[Try] = field(default_factory=list)
    seconds: float = 0
    error: str = ""
    looked_up: str = ""


class Browser:
    """One browser with one window: it sends one request at a time.

    Args:
        resolve: finds the site's addresses.
    """

    def __init__(self, site: Site, resolve: Resolve) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self._resolve = resolve
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
        """Send a request to one address after the other until one answers; `cookies` replace the browser's own once.

        Every request to this site may be repeated, so one without an answer goes to the next address, as when a user
        reloads the page.
        """
        sent = self.cookies if cookies is None else cookies
        fields = {"Host": self.site.host, "User-Agent": "revezamento-drill", "Accept": "application/json"}
        fields |= headers or {}
        if sent:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        started, reply = time.monotonic(), Reply()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                reply.answer = await self._ask(Request(method, path, fields, body), reply)
        except TimeoutError:
            reply.error = f"no answer in {DEADLINE_SECONDS:g} s"
        except (NoAnswer, DNSException) as error:
            reply.error = str(error)
        if reply.answer and cookies is None:
            self._store_cookies(reply.answer)
        reply.seconds = time.monotonic() - started
        return reply

    async def _ask(self, request: Request, reply: Reply) -> Answer:
        if self._kept and self._kept.is_usable:
            try:
                return await self._try(self._kept, request, reply)
            except NoAnswer:
                pass  # a server may close a kept connection at any time
        await self.leave()
        addresses, reply.looked_up = await self._resolve(self.site.name)
        failed = {one.address for one in reply.tries}
        for address in sorted(addresses, key=lambda one: one in failed):
            connection = Connection(self.site, address)
            try:
                answer = await self._try(connection, request, reply)
            except NoAnswer:
                continue
            self._kept = connection
            return answer
        raise NoAnswer(f"none of {len(addresses)} addresses answered; the last: {reply.tries[-1].error}")

    async def _try(self, connection: Connection, request: Request, reply: Reply) -> Answer:
        started, is_reused, error = time.monotonic(), connection.is_used, ""
        try:
            return await connection.send(request)
        except NoAnswer as reason:
            error = str(reason)
            raise
        except asyncio.CancelledError:
            error = "given up"
            raise
        finally:
            reply.tries.append(Try(connection.address, is_reused, time.monotonic() - started, error))

    async def leave(self) -> None:
        """Close the window: the next request looks the site up again. The cookies stay."""
        if self._kept:
            await self._kept.close()
        self._kept = None

    def _store_cookies(self, answer: Answer) -> None:
        for header in answer.all_headers("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)


def _cause(error: BaseException) -> object:
    """What the operating system said: httpcore and anyio wrap it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
