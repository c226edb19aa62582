"""The closed policy of the firewall on one machine: a mistake undoes itself, and rules that let Ansible in stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from lab.waiting import SLOW, wait_until
from tests.stages import RECAP

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]

TRIAL_SECONDS = 20 * SLOW
FILES = "cat /etc/nftables-revezamento.conf; nft --stateless list table inet revezamento"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lock_out") / "ansible.log"


@pytest.fixture(scope="module")
def machine(lab: Lab, log: Path) -> Iterator[Box]:
    """A machine whose firewall may change. Afterwards it has the inventory's again."""
    box = lab.tier("frontends")[0]
    yield box
    assert provision(box, {}, log) == 0, tail(log)


def provision(box: Box, variables: dict[str, Any], log: Path) -> int:
    return run_playbook("site.yml", "--tags=nftables", f"--limit={box.name}", variables=variables, log=log)


def test_rules_that_lock_ansible_out_are_undone(machine: Box, log: Path) -> None:
    """The machine has its former rules again, in the kernel and for the next boot."""
    before = machine.root_output(FILES)
    mistake = {"nftables_policy": "closed", "allow_ssh_from": ["192.0.2.1"], "nftables_trial_seconds": TRIAL_SECONDS}
    assert provision(machine, mistake, log) != 0
    assert "Ansible could not connect again" in log.read_text(encoding="utf-8"), tail(log)
    machine.disconnect()
    wait_until(lambda: machine.problem() == "", "the machine can be reached again", 60)
    assert machine.root_output(FILES) == before


def test_rules_that_let_ansible_in_stay(machine: Box, log: Path) -> None:
    """The next run changes nothing, the trial is over, and whoever was connected still is."""
    closed = {"nftables_policy": "closed", "nftables_trial_seconds": TRIAL_SECONDS}
    assert provision(machine, closed, log) == 0, tail(log)
    assert "policy drop" in machine.root_output(FILES)
    assert machine.run("systemctl is-active nftables-revezamento-undo.timer").stdout.strip() == "inactive"
    start = log.stat().st_size
    assert provision(machine, closed, log) == 0, tail(log)
    changed = dict(RECAP.findall(log.read_bytes()[start:].decode()))
    assert changed[machine.name] == "0", tail(log, 60)
