"""The zone changes while users ask: a frontend is taken out of `www`, and put back."""

from __future__ import annotations

from pathlib import Path

from tests.drills.fault import Fault
from tests.drills.playbooks import play, tail
from tests.testinfra.lab import Box

CHANGED_SECONDS = 12.0
"""More than two lifetimes of the lab's records."""


class ZoneChange(Fault):
    """One address less in each round robin name; DNS is told by its role, as an operator would."""

    hold_seconds = CHANGED_SECONDS

    def __init__(self, *boxes: Box, folder: Path) -> None:
        super().__init__(*boxes)
        self._log = folder / "zone.log"
        self._names = dict(boxes[0].vars["bind_round_robin"])

    def inject(self) -> None:
        fewer = {name: addresses[:-1] or addresses for name, addresses in self._names.items()}
        self._write({"bind_round_robin": fewer})

    def undo(self) -> None:
        self._write({})

    def _write(self, variables: dict[str, object]) -> None:
        code = play("site.yml", "--tags=bind", "--limit=dns", variables=variables, log=self._log)
        assert code == 0, f"the zone was not written, see {self._log}:\n{tail(self._log)}"
