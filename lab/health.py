"""Whether the machines are healthy: the question of `make status`, for the drills and the tests."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from lab.machines import Box, Lab

PROBE = Path(__file__).with_name("guest_status.py").read_text(encoding="utf-8")


def status(box: Box) -> dict[str, Any]:
    """What guest_status.py says on the machine; `problem` alone for a machine that does not answer."""
    if problem := box.problem():
        return {"problem": f"does not answer: {problem}"}
    answer: dict[str, Any] = json.loads(box.root_output(f"python3 -c {shlex.quote(PROBE)} {shlex.join(box.units)}"))
    return answer


def unhealthy(lab: Lab) -> dict[str, str]:
    """What is wrong, by the machines' names; empty when all are healthy."""
    problems = lab.everywhere(lambda box: str(status(box)["problem"]))
    return {name: problem for name, problem in problems.items() if problem}
