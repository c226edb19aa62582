"""A door on this machine, in front of a frontend, that does one thing wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Literal

import h11

from drills.wire import Answer, Broken, Connection, Request

Wrong = Literal["logout", "swap"]
"""`logout`: it says that it logged out and tells no backend. `swap`: two users have each other's cookie."""

SECONDS = 10.0
NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Door:
    """Passes requests on to `address`:`port`, one connection each, except for what it does wrong."""

    def __init__(self, wrong: Wrong, address: str, port: int, cookie_name: str, swapped: Sequence[str]) -> None:
        self._wrong, self._address, self._port, self._cookie_name = wrong, address, port, cookie_name
        self._swapped = swapped
        self._cookies: dict[str, str] = {}  # of the users to swap, as they were given out

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Listen on 127.0.0.1; gives the port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER)
        try:
            request = await _read(http, reader)
            if request is not None:
                answer = await self._answer(request)
                headers = [(name, value) for name, value in answer.headers if name.lower() not in NOT_PASSED_ON]
                headers += [("connection", "close")]
                if answer.status != 204:
                    headers += [("content-length", str(len(answer.body)))]
                for event in (
                    h11.Response(status_code=answer.status, headers=headers),
                    h11.Data(data=answer.body),
                    h11.EndOfMessage(),
                ):
                    writer.write(http.send(event) or b"")
                await writer.drain()
        except (OSError, h11.ProtocolError, Broken):
            pass  # the user sees a connection that ends
        finally:
            writer.close()

    async def _answer(self, request: Request) -> Answer:
        if self._wrong == "logout" and request.path == "/logout":
            return Answer(204, [], b"")
        connection = await Connection.open(self._address, self._port, SECONDS)
        try:
            answer = await connection.exchange(self._with_other_cookie(request), SECONDS)
        finally:
            connection.close()
        if request.path == "/login" and answer.status == 200:
            user = json.loads(request.body)["usuario"]
            for header in answer.all("set-cookie"):
                for morsel in SimpleCookie(header).values():
                    self._cookies[user] = morsel.value
        return answer

    def _with_other_cookie(self, request: Request) -> Request:
        first, second = (self._cookies.get(user) for user in self._swapped)
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie_name)
        if self._wrong != "swap" or not first or not second or cookie is None or request.path != "/perfil":
            return request
        other = {first: second, second: first}.get(cookie.value, cookie.value)
        return Request(
            request.method, request.path, {**request.headers, "cookie": f"{self._cookie_name}={other}"}, request.body
        )


async def _read(http: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            passed = {name: value for name, value in headers.items() if name not in NOT_PASSED_ON}
            return Request(head.method.decode(), head.target.decode(), passed, body)
        else:
            return None
