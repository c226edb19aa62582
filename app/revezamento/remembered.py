"""An answer that is worth remembering for a moment, because asking for it is slow."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from revezamento import long_work

_T = TypeVar("_T")


class Remembered(Generic[_T]):
    """The latest answer to a question; safe to share between threads.

    One thread asks at a time. The others use the answer that is known, or wait for the new one if that is too old.

    Args:
        ask: returns a new answer.
        seconds: how long an answer is used.
    """

    def __init__(self, ask: Callable[[], _T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = Lock()
        self._answer: _T
        self._until = 0.0

    def get(self) -> _T:
        """Return an answer that is at most `seconds` old."""
        if monotonic() >= self._until:
            long_work.announce()
            with self._lock:
                if monotonic() >= self._until:  # otherwise another thread has asked meanwhile
                    self._answer = self._ask()
                    self._until = monotonic() + self._seconds
        return self._answer
