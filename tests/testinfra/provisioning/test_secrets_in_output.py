"""Neither git nor what Ansible prints has a secret, however much it is asked to print."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

import pytest

from lab.inventory import ROOT
from lab.machines import Lab
from lab.playbooks import run_playbook, tail

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]


def test_ansible_prints_no_secret(lab: Lab, tmp_path: Path) -> None:
    """New secrets, so that each task that writes one has a difference to print. A dry run changes nothing.

    One machine of each tier is enough: the others run the same tasks.
    """
    limit = ",".join(lab.tier(name)[0].name for name in lab.tiers)
    planted = {name: secrets.token_hex(20) for name in lab.secrets}
    variables, log = tmp_path / "variables.json", tmp_path / "ansible.log"
    variables.write_text(json.dumps(planted), encoding="utf-8")
    options = ("--check", "--diff", "-vvv", f"--limit={limit}", f"--extra-vars=@{variables}")
    run = run_playbook("site.yml", *options, log=log)
    assert run == 0, tail(log)
    printed = log.read_text(encoding="utf-8")
    assert "changed" in printed
    assert [name for name, value in {**planted, **lab.secrets}.items() if value in printed] == []


def test_git_has_no_secret(lab: Lab) -> None:
    """Of all files that git has or would take."""
    for name, value in lab.secrets.items():
        found = subprocess.run(
            ["git", "grep", "--untracked", "--files-with-matches", "--fixed-strings", "-f", "-"],
            input=value,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 1, f"{name} is in {found.stdout or found.stderr}"
