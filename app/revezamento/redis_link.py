"""The connection to Redis: short timeouts, and retries that bridge a restart or a fail-over.

redis-py's own retry is off: it would block a request for seconds, and it does not follow a fail-over (redis-py#3874).
Every command used here may be repeated. The account's keys and commands are listed in `app/redis_rights.json`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from time import monotonic, perf_counter, sleep
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from revezamento import deadline, long_work
from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.redis_pool import LeanPool
from revezamento.redis_primary import ElectedPrimary, OnlyRedis
from revezamento.settings import Settings
from revezamento.tls import TlsConnection, client_context

CALL_SECONDS = 0.3
"""Deadline of one connection attempt and of one response."""

RETRY_BUDGET_SECONDS = 1.0
RETRY_PAUSE_SECONDS = 0.05

FAILOVER_BUDGET_SECONDS = 3.0
"""The retry budget where there are Sentinels: they need 1.3 to 2.5 s to replace a primary."""

COPY_SECONDS = 0.2
"""How long a replica may take to confirm what it has; less than `CALL_SECONDS`."""

PROOF_SECONDS = 0.3
"""How long a replica's confirmation proves that the primary has not been replaced.

Sentinels replace a primary 0.67 s after its last answer at the earliest (`sentinel_down_after_ms`, less the time
between two questions). An answer that takes longer than `CALL_SECONDS` is not believed.
"""

_MARK = "sess:copied"
"""A key that is written only for a replica to confirm it."""

_WRONG_TYPE = ("WRONGTYPE", "not an integer")

_PASSES = ("NOREPLICAS", "MISCONF", "BUSY", "UNKILLABLE")
"""Refusals that end when the primary's replicas are back, or with the next primary; redis-py has no types for them."""

_T = TypeVar("_T")


class WrongType(DependencyDown):
    """A command failed because its key holds a value of another type."""


class RedisLink:
    """A connection pool for the primary Redis; safe to share between threads. Create it after a fork."""

    def __init__(self, settings: Settings, down_log: DownLog) -> None:
        self._settings = settings
        self._tls = client_context(settings.ca_file) if settings.ca_file else None
        self._down_log = down_log
        self._is_down = False
        self.has_replicas = bool(settings.sentinels)
        self._budget = FAILOVER_BUDGET_SECONDS if self.has_replicas else RETRY_BUDGET_SECONDS
        self._proof: tuple[redis.Redis | None, float] = (None, 0.0)
        self._primary = (
            ElectedPrimary(self._connect, settings.sentinels, settings.redis)
            if self.has_replicas
            else OnlyRedis(self._connect, settings.redis[0])
        )

    def script(self, lua: str) -> "Script":
        """Return a Lua script, which runs atomically and in one round trip."""
        return Script(self, lua)

    def run(self, command: Callable[[redis.Redis], _T]) -> _T:
        """Run one command.

        Where there are replicas, the answer is never that of a primary that has been replaced.

        Raises:
            DependencyDown: Redis is unreachable, too slow, or refuses.
            WrongType: the key holds a value of another type.
        """

        def execute(client: redis.Redis) -> _T:
            proved = self._prove(client)
            answer = command(client)
            if monotonic() > proved + PROOF_SECONDS + CALL_SECONDS:
                raise redis.ConnectionError("the answer is older than the proof that this is the primary")
            return answer

        return self._call(execute if self.has_replicas else command)

    def transaction(self, fill: Callable[[Pipeline], None]) -> None:
        """Run the commands that `fill` queues as one MULTI/EXEC transaction, in one round trip.

        Where there are replicas, one of them has a copy when this returns, so that a fail-over undoes nothing. If it
        raises, the commands may have been executed or not. `fill` is called again for each attempt.
        """

        def execute(client: redis.Redis) -> None:
            with client.pipeline(transaction=False) as pipeline:
                # redis-py's callbacks do not expect the replies of queued commands.
                pipeline.response_callbacks = {}  # type: ignore[assignment]
                pipeline.execute_command("MULTI")  # type: ignore[no-untyped-call]
                fill(pipeline)
                if self.has_replicas:
                    # WAIT is about the connection's own writes, and deleting what is already deleted writes nothing.
                    pipeline.set(_MARK, "", ex=1)
                pipeline.execute_command("EXEC")  # type: ignore[no-untyped-call]
                if self.has_replicas:
                    pipeline.wait(1, int(COPY_SECONDS * 1000))
                replies = pipeline.execute(raise_on_error=False)
            copies = replies.pop() if self.has_replicas else None
            nested = replies[-1] if isinstance(replies[-1], list) else []
            _raise_first_error((*replies, *nested, copies))
            if copies == 0:
                raise redis.ConnectionError("no replica has confirmed the change")
            if not self._primary.stays(client):
                raise redis.ConnectionError("another Redis is becoming the primary")

        self._call(execute)

    @property
    def machines(self) -> dict[str, Any]:
        """The primary and its replicas at the last ping, by their positions from 1; empty if there is only one."""
        return self._primary.machines

    def ping_ms(self) -> float | None:
        """Return how long Redis takes to answer, in milliseconds, or None if it does not answer; does not retry."""
        for may_follow in (self.has_replicas, False):
            started = perf_counter()
            client = None
            try:
                client = self._primary.client()
                self._primary.ping(client)
            except redis.RedisError as error:
                if may_follow and self._primary.lost(client):
                    continue
                self._down_log.report("redis", error)
                break
            return (perf_counter() - started) * 1000
        return None

    def close(self) -> None:
        """Close the idle connections."""
        self._primary.close()

    def _prove(self, client: redis.Redis) -> float:
        """Return since when a replica's confirmation proves that a client's server is the primary; ask if it is old.

        A server that is cut off from the others does not know that it has been replaced, nor who has logged out since.

        Raises:
            redis.ConnectionError: no replica answers it.
        """
        now = monotonic()
        proved, when = self._proof
        if client is proved and now < when + PROOF_SECONDS:
            return when
        with client.pipeline(transaction=False) as pipeline:
            pipeline.set(_MARK, "", ex=1)
            pipeline.wait(1, int(COPY_SECONDS * 1000))
            replies = pipeline.execute(raise_on_error=False)
        _raise_first_error(replies)
        copies = replies.pop()
        if copies == 0:
            raise redis.ConnectionError("no replica confirms that this is the primary")
        self._proof = (client, now)
        return now

    def _call(self, command: Callable[[redis.Redis], _T]) -> _T:
        # After an outage longer than one budget, fail at once; otherwise waiting requests pile up.
        budget = deadline.left(self._budget)
        ends = monotonic() + (0 if self._is_down else budget)
        may_follow = True
        while True:
            client = None
            try:
                client = self._primary.client()
                result = command(client)
            except redis.RedisError as error:
                if isinstance(error, redis.ResponseError) and not self._passes(error):
                    raise self._down(error) from error
                long_work.announce()
                # A command that timed out may have been executed. Repeating it may count a visit twice, but
                # without a retry the counter would have the same gap, and the user would get an error.
                if self._primary.lost(client) and may_follow:
                    may_follow = False
                    continue
                is_final = isinstance(error, redis.AuthenticationError)
                if is_final or monotonic() + RETRY_PAUSE_SECONDS > ends:
                    # A request whose time was nearly over says nothing about the length of the outage.
                    self._is_down = self._is_down or is_final or budget > 0.9 * self._budget
                    raise self._down(error) from error
                sleep(RETRY_PAUSE_SECONDS)
            else:
                self._is_down = False
                return result

    def _passes(self, error: redis.ResponseError) -> bool:
        """Return whether a refusal ends by itself, after a fail-over at the latest."""
        types = (redis.ReadOnlyError, redis.exceptions.MasterDownError, redis.exceptions.TryAgainError)
        return self.has_replicas and (isinstance(error, types) or str(error).startswith(_PASSES))

    def _down(self, error: redis.RedisError) -> DependencyDown:
        if any(mark in str(error) for mark in _WRONG_TYPE):
            return WrongType("redis")
        self._down_log.report("redis", error)
        return DependencyDown("redis")

    def _connect(self, host: str, port: int, **options: Any) -> redis.Redis:
        defaults: dict[str, Any] = {
            "db": self._settings.redis_db,
            "username": self._settings.redis_user,
            "password": self._settings.redis_password,
            "protocol": 2,
            "socket_connect_timeout": CALL_SECONDS,
            "socket_timeout": CALL_SECONDS,
            "socket_keepalive": True,
            "max_connections": self._settings.threads + 2,
            "health_check_interval": 0,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
        }
        if self._tls:
            defaults |= {"connection_class": TlsConnection, "context": self._tls}
        return redis.Redis.from_pool(LeanPool(host=host, port=port, **defaults | options))


class Script:
    """A Lua script that Redis runs; a Redis that does not know it yet is told."""

    def __init__(self, link: RedisLink, lua: str) -> None:
        self._link = link
        self._lua = lua
        self._sha = hashlib.sha1(lua.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run it on the primary, with keys and arguments; raises as `RedisLink.run` does."""
        return self._link.run(lambda client: self.on(client, keys, args))

    def on(self, client: redis.Redis, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run it on a client's server, or at once on a transaction's."""
        command = ("EVALSHA", self._sha, len(keys), *keys, *args)
        try:
            return _execute(client, command)
        except redis.exceptions.NoScriptError:
            _execute(client, ("SCRIPT", "LOAD", self._lua))
            return _execute(client, command)


def _raise_first_error(replies: Iterable[Any]) -> None:
    for reply in replies:
        if isinstance(reply, redis.RedisError):
            raise reply


def _execute(client: redis.Redis, command: tuple[Any, ...]) -> Any:
    """Do what `client.execute_command` does, without its statistics and retries, which cost more than the command."""
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        pool.release(connection)
