"""lab/inventory.py gives tests the same variables as a play."""

import json
import os
import subprocess
import sys

import pytest

from lab.inventory import ROOT, Inventory


def test_values_match_those_of_a_play() -> None:
    """Compares with Ansible a value that depends on groups and hostvars."""
    seen = Inventory.load("inventory/lab").machine("frontend2").vars["nginx_backends"]
    question = ["-i", "inventory/lab", "frontend2", "-m", "debug", "-a", "var=nginx_backends"]
    command = [sys.executable, "-m", "ansible", "adhoc", *question]
    run = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
    )
    assert json.loads(run.stdout.partition("=>")[2])["nginx_backends"] == seen


@pytest.mark.parametrize("size", [1, 3, 12])
def test_a_tier_can_be_resized(size: int) -> None:
    """A resized variant has the same wiring as an inventory that lists the machines."""
    inventory = Inventory.load("inventory/lab", backends=size)
    backends = {machine.name: machine.address for machine in inventory.hosts("backends")}
    assert len(set(backends.values())) == size
    assert inventory.machine("frontend1").vars["nginx_backends"] == backends
    assert not set(backends.values()) & {machine.address for machine in inventory.hosts("frontends")}


def test_the_whole_lab_moves_to_another_subnet() -> None:
    """LAB_SUBNET changes every address; a machine with an old one would be unreachable."""
    inventory = Inventory.load("inventory/lab", subnet="192.168.56")
    assert {machine.address.rpartition(".")[0] for machine in inventory.hosts()} == {"192.168.56"}


def test_overrides_win_and_do_not_leak() -> None:
    """Overrides of one test must not affect the next one."""
    renamed = Inventory.load("inventory/lab", overrides={"lab_domain": "exemplo.org"})
    assert renamed.machine("dns1").vars["bind_domain"] == "exemplo.org"
    assert Inventory.load("inventory/lab").machine("dns1").vars["bind_domain"] != "exemplo.org"


def test_an_unknown_machine_is_an_error() -> None:
    """A misspelled name in a test must not pass for a machine."""
    with pytest.raises(KeyError, match="frontend1"):
        Inventory.load("inventory/lab").machine("localhost")
