"""Faults of machines: a daemon is killed, frozen or crashes, a machine loses its power, a tier restarts."""

from __future__ import annotations

import time
from functools import partial

from drills.fault import Fault, arm, disarm, works
from lab.machines import Box
from lab.power import Provider
from lab.waiting import wait_until

FREEZE_SECONDS = 15.0
POWER_OFF_SECONDS = 12.0
RESTART_SECONDS = 60
CRASH_SECONDS = 20.0
"""Long enough for systemd to give up on the service, so that the drill covers the time before and after that."""


class Kill(Fault):
    """`kill -9` of a daemon's main process."""

    def inject(self) -> None:
        (box,) = self.boxes
        self._killed = box.main_pid(box.service)
        assert self._killed, f"{box.service} does not run on {box.name}"
        box.root_output(f"kill -KILL {self._killed}")

    def has_recovered(self) -> bool:
        return all(box.main_pid(box.service) not in (0, self._killed) for box in self.boxes) and super().has_recovered()


class Freeze(Fault):
    """SIGSTOP to every process of a daemon: it keeps its connections and does not respond."""

    hold_seconds = FREEZE_SECONDS

    def inject(self) -> None:
        (box,) = self.boxes
        arm(box, f"systemctl kill --signal=CONT {box.service}")
        box.root_output("systemctl kill --signal=STOP %s", box.service)
        state = box.output(f"ps -o state= -p {box.main_pid(box.service)}")
        assert state.startswith("T"), f"{box.service} on {box.name} is not frozen: its state is {state}"

    def undo(self) -> None:
        (box,) = self.boxes
        box.root_output("systemctl kill --signal=CONT %s", box.service)
        disarm(box)


class PowerOff(Fault):
    """A machine loses its power, and gets it back."""

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

    def has_recovered(self) -> bool:
        return all(not box.problem() for box in self.boxes) and super().has_recovered()


class RollingRestart(Fault):
    """Every machine of a tier restarts its service, one after the other.

    Args:
        pause_seconds: between two restarts; longer than a proxy avoids a machine that failed.
    """

    def __init__(self, *boxes: Box, pause_seconds: float) -> None:
        super().__init__(*boxes)
        self._pause_seconds = pause_seconds

    def inject(self) -> None:
        for number, box in enumerate(self.boxes):
            if number:
                time.sleep(self._pause_seconds)
            box.root_output("systemctl restart %s", box.service)
            wait_until(partial(works, box), f"{box.name} works again", RESTART_SECONDS)


class CrashLoop(Fault):
    """A service that exits one second after each start, while systemd holds its socket."""

    hold_seconds = CRASH_SECONDS

    def _undo_command(self, box: Box) -> str:
        units = " ".join(box.units)
        return (
            f"rm -f /run/systemd/system/{box.service}.d/drill.conf; systemctl daemon-reload; "
            f"systemctl reset-failed {units}; systemctl restart {units}"
        )

    def inject(self) -> None:
        (box,) = self.boxes
        folder = f"/run/systemd/system/{box.service}.d"
        arm(box, self._undo_command(box))
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
        box.root_output(self._undo_command(box))
        disarm(box)
