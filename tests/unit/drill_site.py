"""A small site on loopback that behaves like the lab, and its name server: used by the tests of the drills."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_string
from functools import partial
from http.cookies import SimpleCookie
from itertools import count
from typing import cast

import dns.message
import dns.rcode
import dns.rrset

from drills.resolver import Resolution, Resolve

NAME = "www.example.org"
FRONTENDS = {"127.0.0.2": "frontend1", "127.0.0.3": "frontend2"}


def fixed(*addresses: str) -> Resolve:
    """Instead of DNS: the same addresses for every name."""

    async def resolve(_: str) -> Resolution:
        return Resolution(addresses, "")

    return resolve


def round_robin(*addresses: str) -> Resolve:
    """Instead of DNS: the same addresses for every name, rotated with each query."""
    turn = count()

    async def resolve(_: str) -> Resolution:
        start = next(turn) % len(addresses)
        return Resolution([*addresses[start:], *addresses[:start]], "")

    return resolve


@dataclass
class StubSite:
    """Frontends at several addresses with one port.

    Args:
        silent: frontends that read requests and never answer.
        cut: frontends that close the connection in the middle of an answer.
        close_each: whether each connection ends after one answer.
        down: whether Redis is down.
        tls: for https.
    """

    sessions: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    requests: list[bytes] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    extra_headers: list[str] = field(default_factory=list)
    close_each: bool = False
    down: bool = False
    tls: ssl.SSLContext | None = None
    port: int = 0
    _servers: dict[str, asyncio.Server] = field(default_factory=dict)
    _open: set[tuple[str, asyncio.StreamWriter]] = field(default_factory=set)
    _turn: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{NAME}:{self.port}"

    @asynccontextmanager
    async def running(self, addresses: Sequence[str] = tuple(FRONTENDS)) -> AsyncIterator[StubSite]:
        async with AsyncExitStack() as stack:
            for address in addresses:
                server = await asyncio.start_server(partial(self._serve, address), address, self.port, ssl=self.tls)
                self.port = server.sockets[0].getsockname()[1]
                self._servers[address] = await stack.enter_async_context(server)
            try:
                yield self
            finally:
                for address in addresses:
                    self.stop(address)

    def stop(self, address: str) -> None:
        """Shut a frontend down: it cuts its connections and refuses new ones."""
        self._servers[address].close()
        for other, writer in list(self._open):
            if other == address:
                writer.transport.abort()

    async def _serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(address)
        self._open.add((address, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, _, fields = head.decode().partition("\r\n")
                headers = {name.lower(): value for name, value in message_from_string(fields).items()}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append(head + body)
                if address in self.silent:
                    await asyncio.sleep(60)
                method, path, _ = line.split()
                answer = self._answer(address, method, path, headers, body)
                writer.write(answer[:-3] if address in self.cut else answer)
                await writer.drain()
                if address in self.cut:
                    writer.transport.abort()
                if self.close_each:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard((address, writer))
            writer.close()

    def _answer(self, address: str, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        self._turn += 1
        fields = [f"X-Frontend: {FRONTENDS.get(address, address)}", *self.extra_headers]
        morsel = SimpleCookie(headers.get("cookie", "")).get("sessao")
        sid = morsel.value if morsel else ""
        status, content = 200, b"<html>"
        if path in ("/login", "/logout", "/perfil", "/status"):
            fields.append(f"X-Backend: backend{self._turn % 2 + 1}")
            if self.down and path != "/status":
                status, content = 503, b'{"erro":""}'
                fields.append("Retry-After: 2")
            elif path == "/login":
                user = json.loads(body)["usuario"]
                sid = secrets.token_hex(8)
                self.sessions[sid] = user
                fields.append(f"Set-Cookie: sessao={sid}; HttpOnly; Path=/")
                content = json.dumps({"usuario": user}).encode()
            elif path == "/logout":
                self.sessions.pop(sid, None)
                fields.append("Set-Cookie: sessao=; Max-Age=0; Path=/")
                status, content = 204, b""
            elif path == "/perfil":
                user = self.sessions.get(sid, "")
                status = 200 if user else 401
                content = json.dumps({"usuario": user} if user else {"erro": ""}).encode()
            else:
                content = json.dumps({"redis": {"ok": not self.down}, "mysql": {"ok": True}}).encode()
        if status != 204:
            fields.append(f"Content-Length: {len(content)}")
        head = [f"HTTP/1.1 {status} X", *fields, "", ""]
        return "\r\n".join(head).encode() + content


class NameServer(asyncio.DatagramProtocol):
    """Answers every query with its addresses, in cyclic order; refuses if it has none."""

    def __init__(self, addresses: Sequence[str], ttl: int = 5) -> None:
        self.addresses, self.ttl = list(addresses), ttl
        self.queries = 0
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NameServer]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self.queries += 1
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        for number in range(len(self.addresses)):
            address = self.addresses[(self.queries - 1 + number) % len(self.addresses)]
            # Each is a set of its own: dnspython would shuffle one set.
            reply.answer.append(dns.rrset.from_text(query.question[0].name, self.ttl, "IN", "A", address))
        if not self.addresses:
            reply.set_rcode(dns.rcode.REFUSED)
        self._transport.sendto(reply.to_wire(), addr)
