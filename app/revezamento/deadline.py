"""How long a request may wait for Redis and MySQL, all its waits together."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

REQUEST_SECONDS = 3.0
"""After this time, a request starts no further wait: nginx gives up after 5 s."""

MAX_WORK_SECONDS = 1.5
"""At most so much work does not count as waiting: nginx would give up."""

_ends: ContextVar[float] = ContextVar("ends", default=inf)


@contextmanager
def of_request() -> Iterator[None]:
    """Limit the waits of what runs within `with`."""
    token = _ends.set(monotonic() + REQUEST_SECONDS)
    try:
        yield
    finally:
        _ends.reset(token)


def left(at_most: float) -> float:
    """Return how many seconds a wait may take now: `at_most`, less near the end of the request, never below 0."""
    return max(0.0, min(at_most, _ends.get() - monotonic()))


@contextmanager
def of_work() -> Iterator[None]:
    """Do not count what runs within `with` as waiting, up to `MAX_WORK_SECONDS`."""
    started = monotonic()
    try:
        yield
    finally:
        _ends.set(_ends.get() + min(MAX_WORK_SECONDS, monotonic() - started))
