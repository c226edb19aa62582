"""The base of all faults: a fault has an end, checks that it took effect, and is undone whatever happens."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from drills.browser import Browser, Site
from drills.events import Event
from drills.resolver import Resolve
from lab.machines import Box

UNDO_UNIT = "revezamento-drill-undo"
DEAD_MAN_SECONDS = 90
"""After this time a machine undoes a fault itself, in case the drill's process has died."""


class Fault:
    """Something that is broken for a while. `undo` also works after a fault was only half injected, or twice.

    Args:
        boxes: the machines concerned. They must be active afterwards, and a report has their journals.
    """

    hold_seconds: float = 0
    """How long the fault lasts after `inject` has returned."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes: Sequence[Box] = boxes

    def prepare(self) -> None:
        """Set up what the fault needs, before the load starts."""

    def inject(self) -> None:
        """Break it."""

    def undo(self) -> None:
        """Remove the cause."""

    def clean_up(self) -> None:
        """Revert `prepare`, after the load has stopped."""

    def make_browser(self, site: Site, resolve: Resolve) -> Browser:
        """Make a user's browser; that of a negative control misbehaves."""
        return Browser(site, resolve)

    def has_recovered(self) -> bool:
        """Whether the machines concerned work."""
        return all(works(box) for box in self.boxes)

    def contradictions(self, events: Sequence[Event]) -> list[str]:
        """Sentences for requests that show that the fault did not do what it should."""
        return []


def works(box: Box) -> bool:
    """Whether a machine reports that all its units are active, and its tier is complete."""
    return box.is_active(*box.units) and bool(box.root(box.role_command).succeeded)


def primary(boxes: Sequence[Box]) -> Box:
    """The machine that says it is the primary of its tier; the first one if none does."""
    return next((box for box in boxes if "primary" in box.root(box.role_command).stdout), boxes[0])


def arm(box: Box, command: str, seconds: float = DEAD_MAN_SECONDS) -> None:
    """Make the machine itself run a command as root after some seconds: a dead man's switch."""
    disarm(box)
    box.root_output(
        f"systemd-run --quiet --collect --unit={UNDO_UNIT} --on-active={seconds:.0f} /bin/sh -c {shlex.quote(command)}"
    )


def disarm(box: Box) -> None:
    """Cancel what `arm` scheduled."""
    box.root(f"systemctl stop {UNDO_UNIT}.timer; systemctl reset-failed {UNDO_UNIT}.timer {UNDO_UNIT}.service")
