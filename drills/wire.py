"""One HTTP/1.1 connection, and nothing that its user did not ask for: no retry, no redirect, no pool.

A library that quietly asks again would hide the very failures that drills are there to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import h11

CHUNK_BYTES = 65536


class Broken(Exception):
    """The connection gave no answer; the message says why."""


@dataclass(frozen=True)
class Request:
    """What is sent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name, '' where there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def all(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for key, value in self.headers if key == name.lower()]


class Connection:
    """A connection to one address; `used` is how many answers it has given."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self.used = 0
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, address: str, port: int, seconds: float) -> Connection:
        """Connect.

        Raises:
            Broken: refused, unreachable, or silent for so many seconds.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            raise Broken(f"no connection in {seconds:g} s") from None
        except OSError as error:
            raise Broken(f"no connection: {error.strerror or error}") from None
        return cls(address, reader, writer)

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent, as far as this side knows."""
        return self._http.our_state is h11.IDLE and not self._reader.at_eof() and not self._writer.is_closing()

    async def exchange(self, request: Request, seconds: float) -> Answer:
        """Send a request and read the whole answer.

        Raises:
            Broken: it was cut, or took longer than so many seconds; the connection is closed then.
        """
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(request)
        except TimeoutError:
            self.close()
            raise Broken(f"no answer in {seconds:g} s") from None
        except (OSError, h11.RemoteProtocolError) as error:
            self.close()
            raise Broken(f"cut: {error}") from None
        except BaseException:
            self.close()
            raise
        self.used += 1
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()
        return answer

    async def _exchange(self, request: Request) -> Answer:
        headers = [*request.headers.items()]
        if request.body or request.method == "POST":
            headers.append(("Content-Length", str(len(request.body))))
        self._send(h11.Request(method=request.method, target=request.path, headers=headers))
        if request.body:
            self._send(h11.Data(data=request.body))
        self._send(h11.EndOfMessage())
        await self._writer.drain()

        head, body = None, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
                return Answer(head.status_code, pairs, body)
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("closed without an answer")

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)

    def close(self) -> None:
        """Close at once; what was under way is given up."""
        self._writer.transport.abort()
