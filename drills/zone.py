"""The zone changes while users ask: a frontend is taken out of `www`, and put back."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from drills.events import Event
from drills.fault import Fault
from drills.playbooks import play, tail
from lab.machines import Box

CHANGED_SECONDS = 12.0
"""More than two lifetimes of the lab's records."""


class ZoneChange(Fault):
    """One address less in each round robin name; DNS is told by its role, as an operator would."""

    hold_seconds = CHANGED_SECONDS

    def __init__(self, *boxes: Box, folder: Path) -> None:
        super().__init__(*boxes)
        self._log = folder / "zone.log"
        self._names: dict[str, list[str]] = dict(boxes[0].vars["bind_round_robin"])
        self._left = {addresses[-1] for addresses in self._names.values() if len(addresses) > 1}
        self._ttl = float(boxes[0].role("bind")["bind_ttl_seconds"])
        self._told_at = self._back_at = 0.0

    def inject(self) -> None:
        fewer = {name: addresses[:-1] or addresses for name, addresses in self._names.items()}
        self._write({"bind_round_robin": fewer})
        self._told_at = time.time()

    def undo(self) -> None:
        self._back_at = time.time()
        self._write({})

    def belied_by(self, events: Sequence[Event]) -> list[str]:
        """Nobody makes a new connection to an address that left, once its records have ended everywhere."""
        if not self._told_at:
            return []
        late = newcomers(events, self._left, self._told_at + self._ttl + 1, self._back_at)
        if not late:
            return []
        return [f"{len(late)} new connections to an address that had left the zone, the first: {late[0].short()}"]

    def _write(self, variables: dict[str, object]) -> None:
        code = play("site.yml", "--tags=bind", "--limit=dns", variables=variables, log=self._log)
        assert code == 0, f"the zone was not written, see {self._log}:\n{tail(self._log)}"


def newcomers(events: Sequence[Event], addresses: Collection[str], since: float, until: float) -> list[Event]:
    """The requests of that time for which a new connection to one of the addresses was tried."""
    return [
        event
        for event in events
        if since <= event.at < until and any(one["address"] in addresses and not one["reused"] for one in event.tries)
    ]
