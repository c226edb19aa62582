"""inventory/production.example works once its copy has secrets."""

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
    """The documented steps give a valid inventory."""
    (copy / VAULT).write_text(yaml.safe_dump(SECRETS), encoding="utf-8")
    assert problems(copy) == []


def test_a_copy_with_a_public_side_passes(copy: Path) -> None:
    """As the comment in hosts.yml says: the public gets public addresses, the machines private ones."""
    (copy / VAULT).write_text(yaml.safe_dump(SECRETS), encoding="utf-8")
    hosts = (copy / "hosts.yml").read_text(encoding="utf-8")
    for line in re.findall(r"(?m)^# {5}(\w+: {.*public.*})$", hosts):
        name = line.partition(":")[0]
        hosts = re.sub(rf"(?m)^( +){name}: .*$", rf"\g<1>{line}", hosts)
    hosts = re.sub(r"(?m)^( +dns2: .*)}$", r"\1, bind_public_addresses: [203.0.113.6]}", hosts)
    (copy / "hosts.yml").write_text(hosts, encoding="utf-8")
    assert problems(copy) == []
    dns1 = Inventory.load(copy).machine("dns1").vars
    assert dns1["bind_public_names"] == {"www": ["203.0.113.20"], "dns1": ["203.0.113.5"], "dns2": ["203.0.113.6"]}
    assert dns1["www_addresses"] == ["10.20.0.20", "10.20.0.21"]


def test_a_copy_without_secrets_is_refused(copy: Path) -> None:
    """Each missing secret is named. There are no default secrets."""
    found = "\n".join(problems(copy))
    assert {name for name in SECRETS if f"secret `{name}` is missing" in found} == set(SECRETS)


def test_the_example_itself_is_refused(copy: Path) -> None:
    """Its secrets are empty."""
    shutil.copy(copy / f"{VAULT}.example", copy / VAULT)
    found = "\n".join(problems(copy))
    assert {name for name in SECRETS if f"secret `{name}` has 0 characters" in found} == set(SECRETS)


def test_the_example_has_the_same_secrets_as_the_lab() -> None:
    """The roles read the same names in every inventory."""
    lab = yaml.safe_load((ROOT / "inventory" / "lab" / "group_vars" / "all" / "secrets.yml").read_bytes())
    assert set(SECRETS) == {name for name in lab if name.startswith("secret_")}


def test_an_inventory_sets_no_wiring() -> None:
    """All inventories share one architecture; an inventory only describes its machines."""
    wiring = {
        name
        for file in (ROOT / "ansible" / "group_vars" / "all").glob("*.yml")
        for name in yaml.safe_load(file.read_bytes())
    }
    for place in ("lab", "production.example"):
        for file in (ROOT / "inventory" / place / "group_vars" / "all").glob("*.yml"):
            assert set(yaml.safe_load(file.read_bytes())) & wiring <= {
                "allow_ssh_from",
                "previous_secrets",
                "show_addresses",
                "machine_tls",
                "machine_ca_folder",
                "nginx_tls",
            }, file


def test_machines_only_use_private_addresses() -> None:
    """Public addresses are for SSH only; variables of roles contain private ones."""
    machines = Inventory.load(EXAMPLE, overrides=SECRETS).hosts()
    private, public = {machine.address for machine in machines}, {machine.ssh_address for machine in machines}
    assert not private & public
    found = set(re.findall(r"\d+\.\d+\.\d+\.\d+", str(wiring())))
    assert found == private


def test_each_machine_listens_on_its_private_address() -> None:
    """A service on a public address is open to the internet."""
    for machine in Inventory.load(EXAMPLE, overrides=SECRETS).hosts():
        one = [machine.vars[name] for name in ("app_address", "redis_address", "mysql_address")]
        assert {*one, *machine.vars["nginx_addresses"], *machine.vars["bind_addresses"]} == {machine.address}


def test_each_name_server_serves_the_same_zone() -> None:
    """The first one has the zones; the others transfer them."""
    names = ("bind_domain", "bind_primary", "bind_nameservers", "bind_round_robin", "bind_machines")
    servers = [{name: machine.vars[name] for name in names} for machine in Inventory.load(EXAMPLE).hosts("dns")]
    assert len(servers) > 1
    assert all(server == servers[0] for server in servers)


def test_there_is_one_redis_and_one_mysql() -> None:
    """The app refuses a second Redis, and a second MySQL would have no users."""
    groups = Inventory.load(EXAMPLE).groups
    assert [len(groups[tier]) for tier in ("redis", "mysql")] == [1, 1]


def test_a_site_says_where_its_authority_is_kept(copy: Path) -> None:
    """The lab's folder is removed with the lab, and all machines would need new certificates at once."""
    (copy / VAULT).write_text(yaml.safe_dump(SECRETS), encoding="utf-8")
    file = copy / "group_vars/all/site.yml"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "machine_ca_folder" not in line), encoding="utf-8")
    assert [problem for problem in problems(copy) if "`machine_ca_folder` is missing. Write an absolute" in problem]


def test_the_cookie_is_secure_and_there_are_no_demo_users() -> None:
    """Production does not use the lab's settings for these."""
    backend = Inventory.load(EXAMPLE).hosts("backends")[0].role("app")
    assert backend.vars["app_cookie_secure"] is True
    assert backend.vars["app_demo_users"] == []
