"""The connection to Redis: short timeouts, and retries that bridge a restart of Redis.

redis-py's own retry is off: it would block a request for seconds. Every command used here may be repeated.
The account's keys and commands are listed in `app/redis_rights.json`.
"""

from collections.abc import Callable, Sequence
from time import monotonic, perf_counter, sleep
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.settings import Settings

CALL_SECONDS = 0.3
"""Deadline of one connection attempt and of one response."""

RETRY_BUDGET_SECONDS = 1.0
RETRY_PAUSE_SECONDS = 0.05

_WRONG_TYPE = ("WRONGTYPE", "not an integer")

Script = Callable[[Sequence[str], Sequence[str | int]], Any]

_T = TypeVar("_T")


class WrongType(DependencyDown):
    """A command failed because its key holds a value of another type."""


class RedisLink:
    """A connection pool for one Redis; safe to share between threads. Create it after a fork."""

    def __init__(self, settings: Settings, down_log: DownLog) -> None:
        host, port = settings.redis
        self._down_log = down_log
        self._is_down = False
        self._client = redis.Redis(
            host=host,
            port=port,
            db=settings.redis_db,
            username=settings.redis_user,
            password=settings.redis_password,
            protocol=2,
            socket_connect_timeout=CALL_SECONDS,
            socket_timeout=CALL_SECONDS,
            socket_keepalive=True,
            max_connections=settings.threads + 2,
            health_check_interval=0,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
        )

    def script(self, lua: str) -> Script:
        """Return a function that runs a Lua script, atomically and in one round trip, on keys and arguments."""
        run = self._client.register_script(lua)
        return lambda keys, args: self._call(lambda: run(keys=keys, args=args))

    def run(self, command: Callable[[redis.Redis], _T]) -> _T:
        """Run one command.

        Raises:
            DependencyDown: Redis is unreachable, too slow, or refuses.
            WrongType: the key holds a value of another type.
        """
        return self._call(lambda: command(self._client))

    def transaction(self, fill: Callable[[Pipeline], None]) -> None:
        """Run the commands that `fill` queues as one MULTI/EXEC transaction, in one round trip."""

        def execute() -> None:
            with self._client.pipeline(transaction=True) as pipeline:
                fill(pipeline)
                pipeline.execute()

        self._call(execute)

    def ping_ms(self) -> float | None:
        """Return how long Redis takes to answer, in milliseconds, or None if it does not answer; does not retry."""
        started = perf_counter()
        try:
            self._client.ping()
        except redis.RedisError as error:
            self._down_log.report("redis", error)
            return None
        return (perf_counter() - started) * 1000

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def _call(self, command: Callable[[], _T]) -> _T:
        # After an outage longer than one budget, fail at once; otherwise waiting requests pile up.
        deadline = monotonic() + (0 if self._is_down else RETRY_BUDGET_SECONDS)
        while True:
            try:
                result = command()
            except redis.ResponseError as error:
                raise self._down(error) from error
            except redis.RedisError as error:
                # A command that timed out may have been executed. Repeating it may count a visit twice, but
                # without a retry the counter would have the same gap, and the user would get an error.
                is_transient = isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
                    error, redis.AuthenticationError
                )
                self._client.connection_pool.disconnect(inuse_connections=False)
                if not is_transient or monotonic() + RETRY_PAUSE_SECONDS > deadline:
                    self._is_down = True
                    raise self._down(error) from error
                sleep(RETRY_PAUSE_SECONDS)
            else:
                self._is_down = False
                return result

    def _down(self, error: redis.RedisError) -> DependencyDown:
        if any(mark in str(error) for mark in _WRONG_TYPE):
            return WrongType("redis")
        self._down_log.report("redis", error)
        return DependencyDown("redis")
