"""Whether this backend should receive requests."""

from time import monotonic

from revezamento.redis_link import RedisLink
from revezamento.remembered import Remembered

READINESS_SECONDS = 1.0
"""Load balancers may check often; Redis is asked at most once in this time."""

FAILOVER_SECONDS = 5.0
"""Longer than a fail-over of Redis, during which requests wait; without ready backends they would be refused."""


class Readiness:
    """Whether Redis answers, remembered for `READINESS_SECONDS`; MySQL does not count, because only logins need it.

    Where Redis has replicas, a backend stays ready for `FAILOVER_SECONDS` without an answer.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._patience = FAILOVER_SECONDS if link.has_replicas else 0.0
        self._answered = -FAILOVER_SECONDS
        self._remembered = Remembered(self._ask, READINESS_SECONDS)

    def is_ready(self) -> bool:
        """Return whether this backend can serve logged-in users."""
        return self._remembered.get()

    def _ask(self) -> bool:
        if self._link.ping_ms() is not None:
            self._answered = monotonic()
            return True
        return monotonic() < self._answered + self._patience
