"""What a scanner found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How much it matters; `ERROR`: the scanner itself has failed."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    ERROR = 4


FAILING = Level.MEDIUM
"""From this level on, a finding has to be accepted with a reason."""


@dataclass(frozen=True)
class Finding:
    """One line of a scanner's report.

    Attributes:
        target: a machine, `site`, or a place in the code.
        result: alike for all targets that have the same finding.
        accepted: the reason why it may stay; '' if it may not.
    """

    tool: str
    target: str
    result: str
    level: Level = Level.INFO
    accepted: str = ""

    @property
    def is_failing(self) -> bool:
        return self.level >= FAILING and not self.accepted


class ScanError(Exception):
    """A scanner is missing, did not finish, or printed something else than its report; the message says why."""


def guarded(tool: str, target: str, scan: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a scan finds. Whatever goes wrong is a finding as well, and so is silence: neither may look like a pass."""
    try:
        found = list(scan())
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        return [Finding(tool, target, f"failed: {text}", Level.ERROR)]
    return found or [Finding(tool, target, "failed: it reported nothing", Level.ERROR)]
