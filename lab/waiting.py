"""Wait for readiness, never for a number of seconds.

Emulated machines are slower: `LAB_SLOW=10` gives everything ten times as long before it counts as failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1


def slowness(told: str) -> int:
    """The number in `LAB_SLOW`, 1 if it is empty; ends the program if it is not a number."""
    if told and not (told.isascii() and told.isdigit() and int(told)):
        sys.exit(f"error: LAB_SLOW={told} must be a positive integer. Remedy: LAB_SLOW=10 for emulated machines.")
    return int(told or 1)


SLOW = slowness(os.environ.get("LAB_SLOW", ""))
"""By how much the machines are slower than real ones. Deadlines for refusals grow as well."""


def wait_until(ask: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """Ask again and again; return the first answer that is true. LAB_SLOW multiplies `seconds`.

    An assertion or a lost connection counts as "not yet". The error at the end names the last one.
    """
    deadline = monotonic() + seconds * SLOW
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
            raise AssertionError(f"after {seconds * SLOW:g} s still not: {what}. {reason}")
        sleep(PAUSE_SECONDS)
