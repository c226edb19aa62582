"""Health of the machines as in `make status`, for drills and tests."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from lab.machines import Box, Lab

PROBE = Path(__file__).with_name("guest_status.py").read_text(encoding="utf-8")


def status(box: Box) -> dict[str, Any]:
    """The output of guest_status.py on the machine; only `problem` if the machine does not answer."""
    if problem := box.problem():
        return {"problem": f"does not answer: {problem}"}
    arguments = shlex.join([box.role_command, *box.units])
    answer: dict[str, Any] = json.loads(box.root_output(f"python3 -c {shlex.quote(PROBE)} {arguments}"))
    return answer


def unhealthy(lab: Lab) -> dict[str, str]:
    """The problems by machine name; empty if all machines are healthy."""
    problems = lab.everywhere(lambda box: str(status(box)["problem"]))
    return {name: problem for name, problem in problems.items() if problem}
