"""Whether this backend should receive requests."""

from threading import Lock
from time import monotonic

from revezamento.redis_link import RedisLink

READINESS_SECONDS = 1.0
"""Load balancers may check often; Redis is asked at most once in this time."""


class Readiness:
    """Whether Redis answers, cached for `READINESS_SECONDS`; MySQL does not count, because only logins need it."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._lock = Lock()
        self._until = 0.0
        self._is_ready = False

    def is_ready(self) -> bool:
        """Return whether this backend can serve logged-in users."""
        with self._lock:
            if monotonic() >= self._until:
                self._is_ready = self._link.ping_ms() is not None
                self._until = monotonic() + READINESS_SECONDS
            return self._is_ready
