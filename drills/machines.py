"""Faults of one machine: its daemon killed or frozen, its power gone, its services restarted one after the other."""

from __future__ import annotations

import time

from drills.fault import DEAD_MAN_SECONDS, Fault, arm, disarm
from lab.machines import Box
from lab.power import Provider
from lab.waiting import wait_until

FREEZE_SECONDS = 15.0
POWER_OFF_SECONDS = 12.0
CRASH_SECONDS = 20.0
"""Long enough that systemd gives up on the service, so that both its patience and its end are seen."""


class Kill(Fault):
    """`kill -9` of a daemon's main process."""

    def inject(self) -> None:
        (box,) = self.boxes
        self._before = box.main_pid(box.service)
        assert self._before, f"{box.service} does not run on {box.name}"
        box.root_output(f"kill -KILL {self._before}")

    def is_healed(self) -> bool:
        return all(box.main_pid(box.service) not in (0, self._before) for box in self.boxes) and super().is_healed()


class Freeze(Fault):
    """SIGSTOP to every process of a daemon: it keeps its connections and says nothing."""

    hold_seconds = FREEZE_SECONDS

    def inject(self) -> None:
        (box,) = self.boxes
        arm(box, f"systemctl kill --signal=CONT {box.service}")
        box.root_output("systemctl kill --signal=STOP %s", box.service)
        state = box.output(f"ps -o state= -p {box.main_pid(box.service)}")
        assert state.startswith("T"), f"{box.service} on {box.name} was not frozen: state {state}"

    def undo(self) -> None:
        (box,) = self.boxes
        box.root_output("systemctl kill --signal=CONT %s", box.service)
        disarm(box)


class PowerOff(Fault):
    """The plug is pulled, and put back."""

    hold_seconds = POWER_OFF_SECONDS

    def __init__(self, box: Box, provider: Provider) -> None:
        super().__init__(box)
        self._provider = provider

    def inject(self) -> None:
        (box,) = self.boxes
        box.disconnect()
        self._provider.off(box.name)
        assert not self._provider.is_on(box.name), f"{box.name} is still on"

    def undo(self) -> None:
        (box,) = self.boxes
        if not self._provider.is_on(box.name):
            self._provider.on(box.name)

    def is_healed(self) -> bool:
        return all(not box.problem() for box in self.boxes) and super().is_healed()


class RollingRestart(Fault):
    """Every machine of a tier restarts its service, one after the other.

    Args:
        pause_seconds: between two, longer than others pass one over that was away.
    """

    def __init__(self, *boxes: Box, pause_seconds: float) -> None:
        super().__init__(*boxes)
        self._pause_seconds = pause_seconds

    def inject(self) -> None:
        for number, box in enumerate(self.boxes):
            if number:
                time.sleep(self._pause_seconds)
            box.root_output("systemctl restart %s", box.service)
            wait_until(lambda box=box: box.is_active(*box.units), f"{box.name} is active again")  # type: ignore[misc]


class CrashLoop(Fault):
    """A service that ends a second after each start, behind the socket that systemd holds for it."""

    hold_seconds = CRASH_SECONDS

    def _undoing(self, box: Box) -> str:
        units = " ".join(box.units)
        return (
            f"rm -f /run/systemd/system/{box.service}.d/drill.conf; systemctl daemon-reload; "
            f"systemctl reset-failed {units}; systemctl restart {units}"
        )

    def inject(self) -> None:
        (box,) = self.boxes
        folder = f"/run/systemd/system/{box.service}.d"
        arm(box, self._undoing(box), DEAD_MAN_SECONDS)
        box.root_output(
            f"mkdir -p {folder} && "
            f"printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"sleep 1; exit 1\"\\n' >{folder}/drill.conf && "
            f"systemctl daemon-reload && systemctl --no-block restart {box.service}"
        )
        wait_until(
            lambda: int(box.output(f"systemctl show --property=NRestarts --value {box.service}")) > 0,
            f"{box.service} on {box.name} crashes",
        )

    def undo(self) -> None:
        (box,) = self.boxes
        box.root_output(self._undoing(box))
        disarm(box)
