"""A connection is lent again as long as it is usable, and never more than the limit."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from revezamento.redis_pool import LeanPool


class Server:
    """Answers every command with PONG."""

    def __init__(self) -> None:
        self.clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self.clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def hang_up(self) -> None:
        while self.clients:
            client = self.clients.pop()
            client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.clients.append(client)
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while client.recv(1000):
                client.sendall(b"+PONG\r\n")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def pool(server: Server) -> Iterator[Any]:
    options: dict[str, Any] = {"protocol": 2, "driver_info": None, "socket_timeout": 5}
    pool = LeanPool(host="127.0.0.1", port=server.port, max_connections=2, **options)
    yield pool
    pool.disconnect()


def ping(connection: Any) -> bool:
    connection.send_command("PING")
    return bool(connection.read_response() == b"PONG")


def test_a_connection_is_lent_again(pool: Any, server: Server) -> None:
    """By turns or at once; a client of redis-py uses the pool as well."""
    first = pool.get_connection()
    assert ping(first)
    second = pool.get_connection()
    assert ping(second)
    for connection in (first, second):
        pool.release(connection)
    assert pool.get_connection() is second
    pool.release(second)
    assert redis.Redis(connection_pool=pool).ping()
    assert len(server.clients) == 2


def test_there_are_no_more_connections_than_allowed(pool: Any) -> None:
    """Also after some of them came back."""
    for _ in range(3):
        lent = [pool.get_connection() for _ in range(2)]
        with pytest.raises(redis.MaxConnectionsError):
            pool.get_connection()
        for connection in lent:
            pool.release(connection)


def test_a_connection_that_the_server_has_closed_is_replaced(pool: Any, server: Server) -> None:
    """After a restart of Redis, the first command succeeds."""
    for _ in range(3):
        lent = [pool.get_connection() for _ in range(2)]
        assert all(map(ping, lent))
        for connection in lent:
            pool.release(connection)
        server.hang_up()
    assert ping(pool.get_connection())


def test_a_connection_with_an_answer_that_nobody_read_is_not_lent(pool: Any) -> None:
    """Somebody else would read it."""
    connection = pool.get_connection()
    connection.send_command("PING")
    assert connection.can_read(timeout=5)
    pool.release(connection)
    assert not pool.get_connection().can_read()


def test_a_connection_that_failed_is_connected_again(pool: Any, server: Server) -> None:
    """It goes back as well."""
    connection = pool.get_connection()
    assert ping(connection)
    server.hang_up()
    with pytest.raises(redis.ConnectionError):
        ping(connection)
    pool.release(connection)
    assert ping(pool.get_connection())


def test_idle_connections_are_closed_on_request(pool: Any) -> None:
    """The link does so after a failure; those in use stay."""
    idle, used = pool.get_connection(), pool.get_connection()
    pool.release(idle)
    pool.disconnect(inuse_connections=False)
    assert not idle.is_connected
    assert ping(used)
    assert ping(pool.get_connection())
