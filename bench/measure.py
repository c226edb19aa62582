"""One run of an arm: the load generator's numbers, and the processor time that the daemons took for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.arms import Arm
from lab.machines import Box, Lab

CONNECTIONS = 30
SCRIPT = Path(__file__).with_name("wrk.lua").read_text(encoding="utf-8")
SCRIPT_PATH = "/tmp/bench.lua"

USAGE = r"""
import json, os, re, sys
unit, total, memory = json.load(sys.stdin), 0, 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if f"/{unit}" in open(f"/proc/{pid}/cgroup").read():
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
            memory += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{pid}/smaps_rollup").read(), re.M)[1])
    except OSError:
        pass  # it has just ended
print(json.dumps([total / os.sysconf("SC_CLK_TCK") * 1e6, memory]))
"""
"""Prints the microseconds of processor time and the memory (PSS, KiB) of a unit's processes."""


@dataclass(frozen=True)
class Run:
    """The result of one run.

    Attributes:
        cpu_us: microseconds of processor time for each request, by tier.
        memory_mb: the daemons' memory after the run (PSS: shared pages count once), by tier.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_us: dict[str, float]
    memory_mb: dict[str, float]


@contextmanager
def generators(lab: Lab) -> Iterator[None]:
    """wrk from Debian on the machines that send requests; it is removed afterwards, unless it was there."""
    boxes = [lab.tier("frontends")[0], lab.tier("clients")[0]]
    without = [box for box in boxes if not box.run("command -v wrk").succeeded]
    try:
        for box in without:
            box.root_output("apt-get update -qq && apt-get install -qq --no-install-recommends wrk")
        for box in boxes:
            box.output(f"printf %%s %s > {SCRIPT_PATH}", SCRIPT)
        yield
    finally:
        for box in boxes:
            box.run(f"rm -f {SCRIPT_PATH}")
        for box in without:
            box.root("apt-get purge -qq --auto-remove wrk")


def run(arm: Arm, seconds: int) -> Run:
    """Send requests for some seconds, on 30 connections."""
    before = usage(arm.counted)
    result: dict[str, Any] = json.loads(arm.generator.output(command(arm, seconds)).splitlines()[-1])
    after = usage(arm.counted)
    requests = max(1, result["requests"])
    return Run(
        requests_per_second=result["requests"] / result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        failed=result["failed"],
        cpu_us={tier: (after[tier][0] - before[tier][0]) / requests for tier in after},
        memory_mb={tier: memory / 1024 for tier, (_, memory) in after.items()},
    )


def command(arm: Arm, seconds: int) -> str:
    """The command that the generator runs."""
    words = ["wrk", "--threads=2", f"--connections={CONNECTIONS}", f"--duration={seconds}s", f"--script={SCRIPT_PATH}"]
    words += [f"--header=Cookie: {arm.cookie}"] if arm.cookie else []
    return shlex.join([*words, arm.url, *(["--", arm.body] if arm.body else [])])


def usage(boxes: list[Box]) -> dict[str, tuple[float, float]]:
    """Processor time (µs) and memory (KiB) of the daemons, all machines of a tier together."""
    total: dict[str, tuple[float, float]] = {}
    for box in boxes:
        processor, memory = box.python(USAGE, box.service, root=True)
        before = total.get(box.tiers[0], (0.0, 0.0))
        total[box.tiers[0]] = before[0] + processor, before[1] + memory
    return total
