"""Whether this backend should get requests."""

from threading import Lock
from time import monotonic

from revezamento.redis_link import RedisLink

READINESS_SECONDS = 1.0
"""Several load balancers may ask often; Redis is asked once in this time."""


class Readiness:
    """Whether Redis answers, remembered for `READINESS_SECONDS`; MySQL does not count, for only a login needs it."""

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
