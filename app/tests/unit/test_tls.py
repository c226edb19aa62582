"""With an authority in the settings, no password leaves the app unless the server's certificate is valid."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from revezamento.database import Database
from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.metrics import Metrics
from revezamento.redis_link import RedisLink
from revezamento.settings import Settings
from tests.certificates import Pair, self_signed

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.9"

_GREETING = b"".join(
    (
        b"\x0a5.5.5-10.11.19\0" + bytes(4) + b"a" * 8 + b"\0",  # protocol, version, connection, salt
        b"\xfe\xf7" + b"\x2d" + b"\x02\x00" + b"\xff\x81" + b"\x15" + bytes(10),  # all capabilities but CLIENT_SSL
        b"a" * 12 + b"\0" + b"mysql_native_password\0",
    )
)
MYSQL_WITHOUT_TLS = len(_GREETING).to_bytes(3, "little") + b"\0" + _GREETING


class Server:
    """Answers OK to each command of Redis, over TLS if it has a certificate; greets first if it has a greeting."""

    def __init__(self, pair: Pair | None = None, greeting: bytes = b"") -> None:
        self.connections = 0
        self.received = b""
        self._greeting = greeting
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if pair else None
        if self._context and pair:
            self._context.load_cert_chain(*pair)
        self._listener = socket.create_server((HERE, 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: Any) -> None:
        with contextlib.suppress(OSError), client:
            client.sendall(self._greeting)
            wire = self._context.wrap_socket(client, server_side=True) if self._context else client
            self.connections += 1
            with wire:
                while data := wire.recv(1000):
                    self.received += data
                    wire.sendall(b"+OK\r\n" * data.count(b"*"))


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*args: Any) -> Server:
        servers.append(Server(*args))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def link(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RedisLink]]:
    """The app's link to a server, which believes an authority."""
    monkeypatch.setattr("revezamento.redis_link.CALL_SECONDS", 5)
    links: list[RedisLink] = []

    def make(server: Server, ca_file: Path | None) -> RedisLink:
        settings = make_settings(redis=(server.address,), redis_password="secret-word", ca_file=ca_file)
        links.append(RedisLink(settings, DownLog(Metrics(multiprocess=False))))
        return links[-1]

    yield make
    for each in links:
        each.close()


def test_redis_is_asked_over_one_tls_connection(
    start: Callable[..., Server], link: Callable[..., RedisLink], tmp_path: Path
) -> None:
    """The pool lends it again: a handshake costs more than a command."""
    pair = self_signed(tmp_path / "here", HERE)
    server = start(pair)
    redis = link(server, pair.certificate)
    for _ in range(3):
        assert redis.ping_ms() is not None
    assert server.connections == 1
    assert b"secret-word" in server.received


@pytest.mark.parametrize("wrong", ["authority", "address", "plain"])
def test_a_server_that_cannot_prove_its_address_gets_no_password(
    start: Callable[..., Server], link: Callable[..., RedisLink], tmp_path: Path, wrong: str
) -> None:
    """The reason is one line in the log."""
    here, other = self_signed(tmp_path / "here", HERE), self_signed(tmp_path / "other", ELSEWHERE)
    server = start({"authority": here, "address": other, "plain": None}[wrong])
    redis = link(server, other.certificate)
    with capture_logs() as lines:
        assert redis.ping_ms() is None
        assert redis.ping_ms() is None
    assert b"secret-word" not in server.received
    assert len(lines) == 1
    reason = {"authority": "certificate verify failed", "address": "IP address mismatch", "plain": "SSL"}[wrong]
    assert reason in lines[0]["error"]


def test_without_an_authority_redis_is_asked_in_clear(
    start: Callable[..., Server], link: Callable[..., RedisLink]
) -> None:
    """As in the lab, to watch the traffic. Shows that the server above would have seen the password."""
    server = start()
    assert link(server, None).ping_ms() is not None
    assert b"secret-word" in server.received


def test_a_mysql_that_denies_tls_gets_no_password(
    start: Callable[..., Server], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Somebody in between could say so, to read what follows."""
    server = start(None, MYSQL_WITHOUT_TLS)
    ca_file = self_signed(tmp_path / "here", HERE).certificate
    settings = make_settings(mysql=(server.address,), ca_file=ca_file)
    database = Database(settings, "revezamento", "secret-word", DownLog(Metrics(multiprocess=False)))
    with capture_logs() as lines, pytest.raises(DependencyDown):
        database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))
    database.close()
    assert "SSL is required but the server doesn't support it" in lines[0]["error"]
    assert server.received == b""
