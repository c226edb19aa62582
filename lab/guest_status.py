"""Prints the health of this machine as one JSON object.

    guest_status.py COMMAND UNIT…

{"problem": str, "state": str, "up_seconds": int, "memory_mb": int, "units": {unit: state}, "role": str, "journal": str}

The command prints the machine's role in its tier, as one line, and fails if the tier is not complete; it may be empty.
`problem` and `journal` are empty on a healthy machine, where every unit is active. Otherwise `journal`
has the last lines of the inactive units. Memory is the sum of the proportional set sizes of
all processes but those of this login, so that it means the same in a container and in a virtual
machine, whatever Ansible keeps running there.
"""

import json
import re
import subprocess
import sys
from pathlib import Path


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def memory_kb() -> int:
    total, login = 0, Path("/proc/self/cgroup").read_text()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cgroup").read_text() != login:
                rollup = (process / "smaps_rollup").read_text()
                total += sum(map(int, re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)))
        except OSError:
            continue  # a kernel thread, or a process that has just ended
    return total


def up_seconds() -> int:
    started_us = int(run("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value") or 0)
    return round(float(Path("/proc/uptime").read_text().split()[0]) - started_us / 1e6)


def role(command: str) -> tuple[str, bool]:
    """What the command prints, and whether it succeeds."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    return " ".join((done.stdout or done.stderr).split()), done.returncode == 0


command, units = sys.argv[1], sys.argv[2:]
states = dict(zip(units, run("systemctl", "is-active", *units).splitlines(), strict=False)) if units else {}
broken = {unit: state for unit, state in states.items() if state != "active"}
lines = ["journalctl", "--no-pager", "--lines=15", "--output=short-iso", *(f"--unit={unit}" for unit in broken)]
text, is_complete = role(command)
problems = [f"{unit} is {state}" for unit, state in broken.items()]
if not is_complete and not broken:
    problems.append(text or "its role is unknown")
print(
    json.dumps(
        {
            "problem": ", ".join(problems),
            "state": run("systemctl", "is-system-running"),
            "up_seconds": up_seconds(),
            "memory_mb": round(memory_kb() / 1024),
            "units": states,
            "role": text,
            "journal": run(*lines) if broken else "",
        }
    )
)
