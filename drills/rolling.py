"""A playbook that changes one machine after the other, under load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drills.fault import Fault
from lab.machines import Box
from lab.playbooks import run_playbook, tail

CHANGES: Mapping[str, Any] = {
    "bind_hostmaster": "changes",
    "keepalived_advert_seconds": 0.25,
    "mysql_max_connections": 101,
    "nginx_keepalive_connections": 17,
    "app_login_failures_per_user": 6,
    "redis_maxmemory_mb": 65,
}
"""A harmless change for each tier, after which its daemons restart or reload."""


class RollingPlaybook(Fault):
    """Runs a playbook, and on `undo` another time without the variables, if it had any that stay on the machines.

    Args:
        stay: whether the variables change the machines for good.
    """

    def __init__(
        self, *boxes: Box, playbook: str, variables: Mapping[str, Any], folder: Path, stay: bool = False
    ) -> None:
        super().__init__(*boxes)
        self._playbook, self._variables = playbook, variables
        self._log = folder / f"{Path(playbook).stem}.log"
        self._stay = stay
        self._changed = False

    def inject(self) -> None:
        self._changed = self._stay
        self._run(self._variables)

    def undo(self) -> None:
        if self._changed:
            self._changed = False
            self._run({})

    def _run(self, variables: Mapping[str, Any]) -> None:
        code = run_playbook(self._playbook, variables=variables, log=self._log)
        assert code == 0, f"{self._playbook} failed, see {self._log}:\n{tail(self._log)}"
