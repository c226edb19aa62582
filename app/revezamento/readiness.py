"""Whether this backend should receive requests."""

from threading import Lock
from time import monotonic

from revezamento.redis_link import RedisLink

READINESS_SECONDS = 1.0
"""Load balancers may check often; Redis is asked at most once in this time."""

FAILOVER_SECONDS = 5.0
"""Longer than a fail-over of Redis, during which requests wait; without ready backends they would be refused."""


class Readiness:
    """Whether Redis answers, cached for `READINESS_SECONDS`; MySQL does not count, because only logins need it.

    Where Redis has replicas, a backend stays ready for `FAILOVER_SECONDS` without an answer.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._lock = Lock()
        self._until = 0.0
        self._patience = FAILOVER_SECONDS if link.has_replicas else 0.0
        self._answered = -FAILOVER_SECONDS
        self._is_ready = False

    def is_ready(self) -> bool:
        """Return whether this backend can serve logged-in users."""
        with self._lock:
            if monotonic() >= self._until:
                if self._link.ping_ms() is not None:
                    self._answered = monotonic()
                    self._is_ready = True
                else:
                    self._is_ready = monotonic() < self._answered + self._patience
                self._until = monotonic() + READINESS_SECONDS
            return self._is_ready
