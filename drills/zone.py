"""The zone changes under load: a frontend is removed from `www`, and added again."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from drills.events import Event
from drills.fault import Fault
from lab.machines import Box
from lab.playbooks import run_playbook, tail

CHANGED_SECONDS = 12.0
"""More than twice the TTL of the lab's records."""


class ZoneChange(Fault):
    """Every round robin name loses its last address, by the role that writes the zone, as an operator would do it."""

    hold_seconds = CHANGED_SECONDS

    def __init__(self, *boxes: Box, folder: Path) -> None:
        super().__init__(*boxes)
        self._log = folder / "zone.log"
        self._names: dict[str, list[str]] = dict(boxes[0].vars["bind_round_robin"])
        self._removed = {addresses[-1] for addresses in self._names.values() if len(addresses) > 1}
        self._ttl = float(boxes[0].role("bind")["bind_ttl_seconds"])
        self._removed_at = self._restored_at = 0.0

    def inject(self) -> None:
        fewer = {name: addresses[:-1] or addresses for name, addresses in self._names.items()}
        self._write({"bind_round_robin": fewer})
        self._removed_at = time.time()

    def undo(self) -> None:
        self._restored_at = time.time()
        self._write({})

    def contradictions(self, events: Sequence[Event]) -> list[str]:
        """Nobody connects to a removed address any more, once its records have expired everywhere."""
        if not self._removed_at:
            return []
        late = new_connections(events, self._removed, self._removed_at + self._ttl + 1, self._restored_at)
        if not late:
            return []
        return [f"{len(late)} new connections to an address that was removed from the zone, the first: {late[0]}"]

    def _write(self, variables: dict[str, object]) -> None:
        code = run_playbook("site.yml", "--tags=bind", "--limit=dns", variables=variables, log=self._log)
        assert code == 0, f"the zone was not written, see {self._log}:\n{tail(self._log)}"


def new_connections(events: Sequence[Event], addresses: Collection[str], since: float, until: float) -> list[Event]:
    """The requests in that time that opened a connection to one of the addresses."""
    return [
        event
        for event in events
        if since <= event.at < until and any(one["address"] in addresses and not one["reused"] for one in event.tries)
    ]
