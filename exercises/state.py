"""The state in which an exercise begins: every machine healthy, and configured as the inventory says.

What is only stopped is started. If that is not enough, all machines return to a snapshot that was taken before the
first exercise that breaks something, or the roles are applied again if there is none.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exercises.words import say
from lab.inventory import ROOT
from lab.language import Language
from lab.machines import Box, Lab
from lab.waiting import SLOW

NOT_INHERITED = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "STAGES_STARTED", "V"}
"""They belong to the make that runs this program."""

SETTLE_SECONDS = 90
PAUSE_SECONDS = 0.5

FROZEN = 'pid=$(systemctl show --property=MainPID --value %s); [ "$pid" = 0 ] || ps -o state= -p "$pid"'


class NoLab(RuntimeError):
    """There is no lab to work on; the message says what to do."""


def refuse_without_machines(lab: Lab) -> None:
    """Raise `NoLab` unless a machine answers."""
    if all(lab.everywhere(lambda box: box.problem()).values()):
        raise NoLab("no machine of the lab answers. Remedy: make up, or vagrant up")


def differences(lab: Lab) -> dict[str, str]:
    """What is not as the inventory says, by machine."""
    return {name: problem for name, problem in lab.everywhere(_problem).items() if problem}


def _problem(box: Box) -> str:
    """What an exercise may have left on a machine; '' if it is as it should be. Faster than `make status`."""
    if problem := box.problem():
        return f"does not answer: {problem}"
    states = box.run(f"systemctl is-active {shlex.join(box.units)}").stdout.split() if box.units else []
    if stopped := [f"{unit} is {state}" for unit, state in zip(box.units, states, strict=False) if state != "active"]:
        return ", ".join(stopped)
    if box.units and box.root(FROZEN, box.service).stdout.startswith("T"):
        return f"{box.service} is frozen"
    if "frontends" in box.tiers:
        found = box.root("grep -q route_upstream /etc/nginx/nginx.conf").rc == 0
        if found != (box.role("nginx")["nginx_persistence"] == "route_cookie"):
            return "nginx has another nginx_persistence"
    if "dns" in box.tiers and box.name == box.vars["bind_primary"]:
        zone = box.root_output("cat /etc/bind/db.%s", box.vars["lab_domain"]).splitlines()
        wanted = [
            f"$TTL {box.role('bind')['bind_ttl_seconds']}",
            *(f"www A {one}" for one in box.vars["www_addresses"]),
        ]
        if any(line not in zone for line in wanted):
            return f"the zone {box.vars['lab_domain']} is another one"
    return "" if box.root(box.role_command).succeeded else "its tier is not complete"


@dataclass(frozen=True)
class StartingState:
    """Brings the lab into its starting state, and says what it does before it does it."""

    lab: Lab
    spoken: Language
    folder: Path
    make: Callable[..., None]

    @property
    def snapshot(self) -> str:
        """Its name; each inventory has one."""
        return f"exercises-{Path(os.environ.get('LAB_INVENTORY') or 'inventory/lab').name}"

    def prepare(self) -> None:
        """For an exercise that breaks something."""
        if problems := differences(self.lab):
            self._say("mend", problems)
            self.mend()
            if problems := differences(self.lab):
                self._restore(problems)
        if not self._is_saved():
            print(say("save", self.spoken, name=self.snapshot), flush=True)
            self.make("snapshot", f"NAME={self.snapshot}")
            self._settle()
            self._record.write_text(json.dumps({"name": self.snapshot, "content": content()}), encoding="utf-8")
        print(say("ready", self.spoken), flush=True)

    def mend(self) -> None:
        """Continue what is frozen and start what is stopped, on the machines that answer."""
        able = [box for box in self.lab if box.units and not box.problem()]

        def start(box: Box) -> None:
            units = shlex.join(box.units)
            box.root(
                f"systemctl kill --signal=CONT {box.service}; systemctl reset-failed {units}; systemctl start {units}"
            )

        self.lab.everywhere(start, able)

    def _restore(self, problems: dict[str, str]) -> None:
        if self._is_saved():
            self._say("reset", problems, name=self.snapshot)
            self.make("reset", f"NAME={self.snapshot}")
        elif off := [name for name, problem in problems.items() if problem.startswith("does not answer")]:
            raise NoLab(f"{', '.join(off)}: no answer. Remedy: make up, or vagrant up, which starts what is off")
        else:
            self._say("provision", problems)
            self.make("provision")
        self._settle()

    def _settle(self) -> None:
        """Wait for the services of machines that have just started: they answer SSH earlier."""
        self.lab.everywhere(lambda box: box.disconnect())
        deadline = time.monotonic() + SETTLE_SECONDS * SLOW
        while left := differences(self.lab):
            if time.monotonic() > deadline:
                raise NoLab(f"the lab is still not in its starting state:\n{_lines(left)}\nRemedy: make down, make up")
            time.sleep(PAUSE_SECONDS)

    def _is_saved(self) -> bool:
        """Whether there is a snapshot of the present content of the project."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return bool(record == {"name": self.snapshot, "content": content()})

    @property
    def _record(self) -> Path:
        return self.folder / "snapshot.json"

    def _say(self, words: str, problems: dict[str, str], **values: str) -> None:
        print(say(words, self.spoken, problems=_lines(problems), **values), flush=True)


def _lines(problems: dict[str, str]) -> str:
    return "\n".join(f"  {name}: {problem}" for name, problem in problems.items())


def content() -> str:
    """A hash of what makes the machines what they are."""
    script = ROOT / "providers" / "podman" / "content.sh"
    return subprocess.run([script], capture_output=True, text=True, check=True).stdout.strip()


def make(*arguments: str) -> None:
    """Run a verb of the Makefile.

    Raises:
        NoLab: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    done = subprocess.run(["make", "--no-print-directory", *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise NoLab(f"make {' '.join(arguments)} failed. Remedy: see above, then the same command again")
