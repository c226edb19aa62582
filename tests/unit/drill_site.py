"""A small site on loopback that answers as the lab does, and a name server for it: what drills are tried on."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http.cookies import SimpleCookie
from typing import cast

import dns.message
import dns.rcode
import dns.rrset

NAME = "www.example.org"
FRONTENDS = {"127.0.0.2": "frontend1", "127.0.0.3": "frontend2"}


@dataclass
class Site:
    """Frontends at some addresses, one port. `silent` ones take requests and say nothing; `answer_503` all do."""

    sessions: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    close_each: bool = False
    down: bool = False
    port: int = 0
    _servers: dict[str, asyncio.Server] = field(default_factory=dict)
    _open: set[tuple[str, asyncio.StreamWriter]] = field(default_factory=set)
    _turn: int = 0

    @asynccontextmanager
    async def running(self, addresses: Sequence[str] = tuple(FRONTENDS)) -> AsyncIterator[Site]:
        async with AsyncExitStack() as stack:
            for address in addresses:
                server = await asyncio.start_server(partial(self._serve, address), address, self.port)
                self.port = server.sockets[0].getsockname()[1]
                self._servers[address] = await stack.enter_async_context(server)
            try:
                yield self
            finally:
                for address in addresses:
                    self.stop(address)

    def stop(self, address: str) -> None:
        """The frontend is gone: connections are cut and new ones refused."""
        self._servers[address].close()
        for other, writer in list(self._open):
            if other == address:
                writer.transport.abort()

    async def _serve(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(address)
        self._open.add((address, writer))
        try:
            while line := (await reader.readline()).decode().split():
                headers = {}
                while pair := (await reader.readline()).decode().strip():
                    name, _, value = pair.partition(": ")
                    headers[name.lower()] = value
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((address, line[1]))
                if address in self.silent:
                    await asyncio.sleep(60)
                writer.write(self._answer(address, line[0], line[1], headers, body))
                await writer.drain()
                if self.close_each:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard((address, writer))
            writer.close()

    def _answer(self, address: str, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        self._turn += 1
        told = [f"X-Frontend: {FRONTENDS.get(address, address)}"]
        morsel = SimpleCookie(headers.get("cookie", "")).get("sessao")
        sid = morsel.value if morsel else ""
        status, content = 200, b"<html>"
        if path in ("/login", "/logout", "/perfil", "/status"):
            told.append(f"X-Backend: backend{self._turn % 2 + 1}")
            if self.down and path != "/status":
                status, content = 503, b'{"erro":""}'
                told.append("Retry-After: 2")
            elif path == "/login":
                user = json.loads(body)["usuario"]
                sid = secrets.token_hex(8)
                self.sessions[sid] = user
                told.append(f"Set-Cookie: sessao={sid}; HttpOnly; Path=/")
                content = json.dumps({"usuario": user}).encode()
            elif path == "/logout":
                self.sessions.pop(sid, None)
                told.append("Set-Cookie: sessao=; Max-Age=0; Path=/")
                status, content = 204, b""
            elif path == "/perfil":
                user = self.sessions.get(sid, "")
                status = 200 if user else 401
                content = json.dumps({"usuario": user} if user else {"erro": ""}).encode()
            else:
                content = json.dumps({"redis": {"ok": not self.down}, "mysql": {"ok": True}}).encode()
        if status != 204:
            told.append(f"Content-Length: {len(content)}")
        head = [f"HTTP/1.1 {status} X", *told, "", ""]
        return "\r\n".join(head).encode() + content


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with the addresses it has, in any order; refuses when it has none."""

    def __init__(self, addresses: Sequence[str], ttl: int = 5) -> None:
        self.addresses, self.ttl = list(addresses), ttl
        self.asked = 0
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
        self.asked += 1
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        if self.addresses:
            reply.answer.append(dns.rrset.from_text(query.question[0].name, self.ttl, "IN", "A", *self.addresses))
        else:
            reply.set_rcode(dns.rcode.REFUSED)
        self._transport.sendto(reply.to_wire(), addr)
