"""Runs the project's playbooks, as `make` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.inventory import ROOT

PLAYBOOK_SECONDS = 900


def run_playbook(
    playbook: str,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    log: Path,
) -> int:
    """Run ansible/<playbook> in its own process group and append its output to `log`.

    Returns its exit code, negative for the signal that ended it.
    """
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        f"--inventory={os.environ.get('LAB_INVENTORY') or 'inventory/lab'}",
        *arguments,
        *(["--extra-vars", json.dumps(variables)] if variables else []),
        f"ansible/{playbook}",
    ]
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", **(environment or {})}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | settings,
            stdout=out,
            stderr=out,
            check=False,
            timeout=PLAYBOOK_SECONDS,
            start_new_session=True,
        )
    return done.returncode


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-lines:])
