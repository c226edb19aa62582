"""Waiting for readiness, never for a number of seconds."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1


def wait_until(ask: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """Ask again and again; return the first answer that is true.

    An assertion or a lost connection counts as "not yet"; the last one is told when time is up.
    """
    deadline = monotonic() + seconds
    reason: object = "never true"
    while True:
        try:
            answer = ask()
            if answer:
                return answer
            reason = f"last answer: {answer!r}"
        except (AssertionError, RuntimeError, LookupError, ValueError) as error:
            reason = error
        if monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}. {reason}")
        sleep(PAUSE_SECONDS)
