"""Runs on a machine: one JSON object about it, for `make status`.

{"state": str, "up_seconds": int, "memory_mb": int, "units": {unit: state}}; memory is the
sum of the proportional set sizes of all processes, so it means the same in a container as
in a virtual machine.
"""

import json
import re
import subprocess
import sys
from pathlib import Path


def systemctl(*arguments: str) -> str:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True).stdout.strip()


def memory_kb() -> int:
    total = 0
    for rollup in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            total += sum(map(int, re.findall(r"^Pss:\s+(\d+)", rollup.read_text(), re.MULTILINE)))
        except OSError:
            continue  # a kernel thread, or a process that has just ended
    return total


def up_seconds() -> int:
    started_us = int(systemctl("show", "--property=UserspaceTimestampMonotonic", "--value") or 0)
    return round(float(Path("/proc/uptime").read_text().split()[0]) - started_us / 1e6)


units = sys.argv[1:]
states = systemctl("is-active", *units).splitlines() if units else []
print(
    json.dumps(
        {
            "state": systemctl("is-system-running"),
            "up_seconds": up_seconds(),
            "memory_mb": round(memory_kb() / 1024),
            "units": dict(zip(units, states, strict=True)),
        }
    )
)
