"""ansible/preflight.yml, run as the first play of a site."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lab.inventory import ROOT
from tests.unit.conftest import Copy


def preflight(lab: Copy, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(lab.path), "ansible/preflight.yml", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_good_inventory_passes(lab: Copy) -> None:
    """The run continues after the preflight."""
    run = preflight(lab)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "options", [(), ("--limit", "backends"), ("--tags", "nginx")], ids=["everything", "limit", "tags"]
)
def test_a_bad_inventory_stops_the_run(lab: Copy, options: tuple[str, ...]) -> None:
    """Runs limited to one tier also depend on all addresses. The run stops before it connects to a machine."""
    lab.replace("hosts.yml", "172.20.0.11", "172.20.0.10")
    run = preflight(lab, *options)
    assert run.returncode != 0
    assert "backend1 and backend2 have the same address" in run.stdout + run.stderr
    assert "unreachable=0" in run.stdout
