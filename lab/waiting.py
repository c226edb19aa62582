"""Wait for readiness, never for a number of seconds.

Emulated machines are slower: `LAB_SLOW=10` multiplies all deadlines by ten.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1


def slowness(value: str) -> int:
    """The number in `LAB_SLOW`, 1 if it is empty; ends the program if it is not a number."""
    if value and not (value.isascii() and value.isdigit() and int(value)):
        sys.exit(f"error: LAB_SLOW={value} must be a positive integer. Remedy: LAB_SLOW=10 for emulated machines.")
    return int(value or 1)


SLOW = slowness(os.environ.get("LAB_SLOW", ""))
"""The factor for all deadlines, including those within which a connection must be refused."""

BOOTS_AT_ONCE = os.cpu_count() if SLOW > 1 else None
"""How many machines may boot at the same time; None for all. Emulated machines would only take turns."""


def wait_until(ask: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """Call `ask` repeatedly and return its first true result. LAB_SLOW multiplies `seconds`.

    An assertion or a lost connection counts as "not yet". The final error includes the last one.
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
