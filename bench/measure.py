"""One run of an arm: the load generator's numbers, and the processor time that the daemons took for it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import DEVNULL
from time import sleep
from typing import Any

from bench.arms import LOGINS_AT_ONCE, Arm, Process, command, log_in, logins
from bench.stage import SCRIPT_PATH, Stage
from bench.units import port_of
from lab.machines import Box

WARM_UP_SECONDS = 4
"""Node.js compiles what runs often: its first seconds cost twice as much."""
READY_SECONDS = 30
LOGINS_AHEAD_SECONDS = 1

USAGE = r"""
import json, os, re, sys
found = {unit: [0, 0] for unit in json.load(sys.stdin)}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        unit = open(f"/proc/{pid}/cgroup").read().strip().rpartition("/")[2]
        if unit in found:
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            found[unit][0] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e6
            found[unit][1] += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{pid}/smaps_rollup").read(), re.M)[1])
    except OSError:
        pass  # it has just ended
print(json.dumps(found))
"""
"""Prints the microseconds of processor time and the memory (PSS, KiB) of each unit's processes."""


@dataclass(frozen=True)
class Run:
    """The result of one run.

    Attributes:
        cpu_us: microseconds of processor time for each request, by process.
        memory_mb: the processes' memory after the run (PSS: shared pages count once), by process.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us: dict[str, float]
    memory_mb: dict[str, float]


@dataclass
class Runner:
    """Runs arms on a prepared lab, as the user with these credentials."""

    stage: Stage
    credentials: Mapping[str, str]
    _cookies: dict[str, str] = field(default_factory=dict)

    def run(self, arm: Arm, seconds: int) -> Run:
        """Send requests for some seconds, on 30 connections; a daemon that has just started is warmed up before."""
        is_new = bool(arm.unit) and self.stage.run(arm.unit, arm.backends)
        if is_new:
            # Each by itself: nginx answers also for backends that do not, and would avoid these for a while.
            self.stage.lab.everywhere(_wait, arm.backends)
        cookie = self._cookie(arm)
        if is_new:
            arm.generator.output(command(arm, WARM_UP_SECONDS, cookie, SCRIPT_PATH))
        with _during_logins(arm, seconds):
            before = self._usage(arm.counted)
            printed = arm.generator.output(command(arm, seconds, cookie, SCRIPT_PATH))
            after = self._usage(arm.counted)
        result: dict[str, Any] = json.loads(printed.splitlines()[-1])
        requests = max(1, result["requests"])
        return Run(
            requests_per_second=result["requests"] / result["seconds"],
            p50_ms=result["p50_ms"],
            p99_ms=result["p99_ms"],
            failed=result["failed"],
            cpu_us={name: (after[name][0] - before[name][0]) / requests for name in after},
            memory_mb={name: memory / 1024 for name, (_, memory) in after.items()},
        )

    def _cookie(self, arm: Arm) -> str:
        if arm.session and arm.session not in self._cookies:
            url = arm.url.removesuffix("/perfil")
            self._cookies[arm.session] = log_in(arm.generator, url, self.credentials)
        return self._cookies.get(arm.session, "")

    def _usage(self, counted: Sequence[Process]) -> dict[str, tuple[float, float]]:
        """Processor time (µs) and memory (KiB) by process, all machines together."""
        units: dict[str, list[str]] = defaultdict(list)
        for process in counted:
            units[process.box.name].append(process.unit)
        boxes = list({process.box.name: process.box for process in counted}.values())
        found = self.stage.lab.everywhere(lambda box: box.python(USAGE, units[box.name], root=True), boxes)
        total: dict[str, tuple[float, float]] = {}
        for process in counted:
            (cpu, memory), before = found[process.box.name][process.unit], total.get(process.name, (0.0, 0.0))
            total[process.name] = before[0] + cpu, before[1] + memory
        return total


@contextmanager
def _during_logins(arm: Arm, seconds: int) -> Iterator[None]:
    """Have users log in from before until after the arm, if it asks for them."""
    if not arm.logins:
        yield
        return
    lasting = command(logins(arm), seconds + 2 * LOGINS_AHEAD_SECONDS, "", SCRIPT_PATH, LOGINS_AT_ONCE)
    generator = arm.generator.start_command(lasting, stdout=DEVNULL)
    try:
        sleep(LOGINS_AHEAD_SECONDS)
        yield
    finally:
        code = generator.wait(timeout=seconds + READY_SECONDS)
    assert code == 0, f"the logins on {arm.generator.name} ended with exit status {code}"


def _wait(backend: Box) -> None:
    """Wait until what is measured on a backend answers, whatever it answers."""
    asked = f"curl --silent --output /dev/null --max-time 5 {backend.address}:{port_of(backend)}"
    backend.output(f"timeout {READY_SECONDS} sh -c 'until {asked}; do sleep 0.1; done'")
