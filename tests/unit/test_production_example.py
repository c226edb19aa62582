"""inventory/production.example can be used as it is, once its copy has secrets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from inventory_problems import inventory_problems

from lab.inventory import ROOT, Inventory

EXAMPLE = ROOT / "inventory" / "production.example"
VAULT = "group_vars/all/vault.yml"
SECRETS = {name: f"{name}-is-long-enough" for name in yaml.safe_load((EXAMPLE / f"{VAULT}.example").read_bytes())}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What `cp -R inventory/production.example inventory/production` makes."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "inventory" / "production"))


def problems(path: Path) -> list[str]:
    inventory = Inventory.load(path)
    return inventory_problems(inventory.groups, inventory.hostvars)


def wiring() -> dict[str, dict[str, Any]]:
    """For each machine, the variables of roles as the wiring sets them."""
    inventory = Inventory.load(EXAMPLE, overrides=SECRETS)
    names = yaml.safe_load((ROOT / "ansible" / "group_vars" / "all" / "wiring.yml").read_bytes())
    return {machine.name: {name: machine.vars[name] for name in names} for machine in inventory.hosts()}


def test_a_copy_with_secrets_passes(copy: Path) -> None:
    """The steps of the documentation lead to an inventory without a problem."""
    (copy / VAULT).write_text(yaml.safe_dump(SECRETS), encoding="utf-8")
    assert problems(copy) == []


def test_a_copy_without_secrets_is_refused(copy: Path) -> None:
    """Each secret is told by its name; there is no default that somebody would forget to change."""
    found = "\n".join(problems(copy))
    assert {name for name in SECRETS if f"secret `{name}` is missing" in found} == set(SECRETS)


def test_the_pattern_itself_is_refused(copy: Path) -> None:
    """Renaming the pattern is not enough: its secrets are empty."""
    shutil.copy(copy / f"{VAULT}.example", copy / VAULT)
    found = "\n".join(problems(copy))
    assert {name for name in SECRETS if f"secret `{name}` has 0 characters" in found} == set(SECRETS)


def test_the_pattern_names_the_secrets_of_the_lab() -> None:
    """The roles read the same names everywhere."""
    lab = yaml.safe_load((ROOT / "inventory" / "lab" / "group_vars" / "all" / "secrets.yml").read_bytes())
    assert set(SECRETS) == {name for name in lab if name.startswith("secret_")}


def test_an_inventory_sets_no_wiring() -> None:
    """One architecture for all: what is true of a place is not what is wired to what."""
    wiring = {
        name
        for file in (ROOT / "ansible" / "group_vars" / "all").glob("*.yml")
        for name in yaml.safe_load(file.read_bytes())
    }
    for place in ("lab", "production.example"):
        for file in (ROOT / "inventory" / place / "group_vars" / "all").glob("*.yml"):
            assert set(yaml.safe_load(file.read_bytes())) & wiring <= {"show_addresses"}, file


def test_machines_know_each_other_by_private_addresses_alone() -> None:
    """Public addresses are for SSH: whatever a role is told, it is told of the private network."""
    machines = Inventory.load(EXAMPLE, overrides=SECRETS).hosts()
    private, public = {machine.address for machine in machines}, {machine.ssh_address for machine in machines}
    assert not private & public
    found = set(re.findall(r"\d+\.\d+\.\d+\.\d+", str(wiring())))
    assert found == private


def test_each_machine_listens_at_its_private_address() -> None:
    """What is bound to a public address is open to the internet."""
    for machine in Inventory.load(EXAMPLE, overrides=SECRETS).hosts():
        one = [machine.vars[name] for name in ("app_address", "redis_address", "mysql_address")]
        assert {*one, *machine.vars["nginx_addresses"], *machine.vars["bind_addresses"]} == {machine.address}


def test_each_name_server_serves_the_same_zone() -> None:
    """Two of them have the same records because both are written from one inventory; nothing copies a zone."""
    names = ("bind_domain", "bind_primary", "bind_nameservers", "bind_round_robin", "bind_machines")
    servers = [{name: machine.vars[name] for name in names} for machine in Inventory.load(EXAMPLE).hosts("dns")]
    assert len(servers) > 1
    assert all(server == servers[0] for server in servers)


def test_there_is_one_redis_and_one_mysql() -> None:
    """The app refuses a second Redis, and a second MySQL would have no users in it."""
    groups = Inventory.load(EXAMPLE).groups
    assert [len(groups[tier]) for tier in ("redis", "mysql")] == [1, 1]


def test_the_cookie_travels_encrypted_and_nobody_has_a_public_password() -> None:
    """What is right for a lab is wrong here."""
    backend = Inventory.load(EXAMPLE).hosts("backends")[0].role("app")
    assert backend.vars["app_cookie_secure"] is True
    assert backend.vars["app_demo_users"] == []
