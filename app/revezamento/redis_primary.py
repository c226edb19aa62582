"""Which Redis is the primary: the only one, or the one that the Sentinels have chosen.

redis-py's own Sentinel client takes the first answer. A Sentinel that is cut off together with an old primary goes on
naming it, so this one asks a majority and takes the answer with the highest epoch, as Sentinels do among themselves.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any, cast

import redis

from revezamento.logs import log
from revezamento.parsers import Address
from revezamento.positions import positions

NAME = "sessions"
"""The primary's name in Sentinel's configuration."""

SENTINEL_SECONDS = 0.2
"""Deadline of one connection attempt and of one response of a Sentinel."""

ASK_AGAIN_SECONDS = 0.05

Connect = Callable[..., redis.Redis]
"""Makes a client with a connection pool: host, port and further options of `redis.Redis`."""


class OnlyRedis:
    """The primary, if there is no other Redis."""

    def __init__(self, connect: Connect, address: Address) -> None:
        self._client = connect(*address)
        self.machines: dict[str, Any] = {}

    def ping(self, client: redis.Redis) -> None:
        """Raise redis.RedisError unless it answers."""
        client.ping()

    def client(self) -> redis.Redis:
        """Return the client of the primary."""
        return self._client

    def lost(self, failed: redis.Redis | None) -> bool:
        """Drop the idle connections after a failure of a client; return whether there is another client now."""
        self._client.connection_pool.disconnect(inuse_connections=False)
        return False

    def stays(self, client: redis.Redis) -> bool:
        """Return whether a client's server stays the primary for now: always."""
        return client is self._client

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()


class ElectedPrimary:
    """The primary that the Sentinels name; remembered until a call to it fails. Safe to share between threads.

    Args:
        connect: how to reach a Redis or a Sentinel.
        sentinels: the Sentinels' addresses.
        known: the addresses of all Redis, in order.
    """

    def __init__(self, connect: Connect, sentinels: tuple[Address, ...], known: tuple[Address, ...]) -> None:
        self._connect = connect
        self._known = known
        self._sentinels = [
            connect(*address, db=0, socket_connect_timeout=SENTINEL_SECONDS, socket_timeout=SENTINEL_SECONDS)
            for address in sentinels
        ]
        self._lock = Lock()
        self._asked = 0.0
        self._address: Address | None = None
        self._client: redis.Redis | None = None
        self._replicas: list[int] | None = None

    @property
    def position(self) -> int | None:
        """Which Redis is the primary, counted from 1 in the order of the settings; None if unknown."""
        address = self._address
        return self._known.index(address) + 1 if address in self._known else None

    @property
    def machines(self) -> dict[str, Any]:
        """The positions of the primary and, at the last ping, of its replicas; without what is not known."""
        known = {"primary": self.position, "replicas": self._replicas}
        return {name: value for name, value in known.items() if value is not None}

    def ping(self, client: redis.Redis) -> None:
        """Raise redis.RedisError unless the server answers and is the primary; note its replicas."""
        self._replicas = None
        role, _, replicas, *_ = cast("list[Any]", client.role())
        if role != b"master":
            raise redis.ConnectionError(f"not the primary: {role!r}")
        self._replicas = positions([(host.decode(), int(port)) for host, port, _ in replicas], self._known)

    def client(self) -> redis.Redis:
        """Return the client of the primary.

        Raises:
            redis.ConnectionError: no primary is known; `lost` looks for one.
        """
        client = self._client
        if client is None:
            raise redis.ConnectionError("no primary is known")
        return client

    def lost(self, failed: redis.Redis | None) -> bool:
        """Ask the Sentinels after a failure of a client; return whether there is another client now."""
        with self._lock:
            if self._client is not failed:
                return self._client is not None  # another thread has asked
            if failed:
                failed.connection_pool.disconnect(inuse_connections=False)
            if monotonic() < self._asked + ASK_AGAIN_SECONDS:
                return False
            answers = self._ask()
            self._asked = monotonic()
            return bool(answers) and self._follow(max(answers, key=_newest))

    def stays(self, client: redis.Redis) -> bool:
        """Return whether a majority of the Sentinels answers, and none has begun to replace a client's server.

        A change that a replica confirmed before this was asked survives: a fail-over that begins later prefers the
        replica that has received most. One that has begun may have chosen another replica.
        """
        answers = self._ask_all()
        if client is not self._client or len(answers) <= len(self._sentinels) // 2:
            return False
        # The Sentinel that has made this server the primary still names the former one for a while.
        ours = [answer for answer in answers if (answer["ip"], answer["port"]) == self._address]
        return max(answers, key=_newest) in ours and not any(map(_replaces, ours))

    def close(self) -> None:
        """Close the idle connections."""
        for client in (self._client, *self._sentinels):
            if client:
                client.close()

    def _ask(self) -> list[dict[str, Any]]:
        """Return what a majority of the Sentinels answers; one that does not answer is asked last from now on."""
        answers: list[dict[str, Any]] = []
        for sentinel in list(self._sentinels):
            if answer := _ask(sentinel):
                answers.append(answer)
            else:
                self._sentinels.remove(sentinel)
                self._sentinels.append(sentinel)
            if len(answers) > len(self._sentinels) // 2:
                break
        return answers

    def _ask_all(self) -> list[dict[str, Any]]:
        return [answer for sentinel in tuple(self._sentinels) if (answer := _ask(sentinel))]

    def _follow(self, answer: dict[str, Any]) -> bool:
        if answer["is_sdown"] or answer["is_odown"]:
            self._address = self._client = None
            return False
        address = (answer["ip"], answer["port"])
        if address == self._address:
            return False
        log.warning("redis primary", address="{}:{}".format(*address), formerly=self._address)
        self._client = self._connect(*address, redis_connect_func=_check_role)
        self._address = address
        return True


def _ask(sentinel: redis.Redis) -> dict[str, Any] | None:
    try:
        return cast("dict[str, Any]", sentinel.sentinel_master(NAME, return_responses=True))
    except redis.RedisError:
        return None


def _replaces(answer: dict[str, Any]) -> bool:
    return bool(answer["is_odown"]) or "failover_in_progress" in answer["flags"]


def _newest(answer: dict[str, Any]) -> tuple[int, bool]:
    return answer["config-epoch"], not answer["is_sdown"]


def _check_role(connection: Any) -> None:
    """Complete a new connection, unless the server is a replica, as a former primary becomes."""
    connection.on_connect()
    connection.send_command("ROLE")
    role = connection.read_response()[0]
    if role != b"master":
        raise redis.ConnectionError(f"not the primary: {role!r}")
