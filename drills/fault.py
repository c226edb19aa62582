"""What every fault has: it is bounded in time, proves that it bites, and is undone whatever happens."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from drills.browser import Browser, Site
from drills.events import Event
from drills.resolver import Resolve
from lab.machines import Box

UNDO_UNIT = "revezamento-drill-undo"
DEAD_MAN_SECONDS = 90
"""After this a machine undoes by itself what was done to it, should nobody be left who does."""


class Fault:
    """Something that is broken for a while. `undo` also undoes what was only half done, and does no harm twice."""

    hold_seconds: float = 0
    """How long it lasts once `inject` has returned."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes: Sequence[Box] = boxes
        """The machines that it concerns: they have to be well afterwards, and their journals tell of it."""

    def prepare(self) -> None:
        """Before anybody asks: what is needed to break it."""

    def inject(self) -> None:
        """Break it."""

    def undo(self) -> None:
        """Take the cause away."""

    def clean(self) -> None:
        """When nobody asks any more: take back what `prepare` did."""

    def make_browser(self, site: Site, resolve: Resolve) -> Browser:
        """A user's browser; that of a negative control misbehaves."""
        return Browser(site, resolve)

    def is_healed(self) -> bool:
        """Whether the machines concerned say that they are well."""
        return all(box.is_active(*box.units) for box in self.boxes)

    def belied_by(self, events: Sequence[Event]) -> list[str]:
        """What users' requests say against this fault having done what it says, as sentences."""
        return []


def arm(box: Box, command: str, seconds: float = DEAD_MAN_SECONDS) -> None:
    """Have the machine itself run a command as root after some seconds: a dead man's switch."""
    disarm(box)
    box.root_output(
        f"systemd-run --quiet --collect --unit={UNDO_UNIT} --on-active={seconds:.0f} /bin/sh -c {shlex.quote(command)}"
    )


def disarm(box: Box) -> None:
    """Stop what `arm` started."""
    box.root(f"systemctl stop {UNDO_UNIT}.timer; systemctl reset-failed {UNDO_UNIT}.timer {UNDO_UNIT}.service")
