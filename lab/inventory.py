"""The inventory as a play sees it, for tests: read by Ansible's own code, values templated by Ansible's own templar.

    inventory = Inventory.load()                     # inventory/lab, or what LAB_INVENTORY names
    inventory.groups["frontends"]                    # ["frontend1", "frontend2", "frontend3"]
    inventory.machine("frontend1").vars["nginx_backends"]

A variant is the same inventory with changes made in memory:

    Inventory.load(backends=12, subnet="192.168.56", overrides={"lab_domain": "exemplo.org"})
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import get_file_vault_secret
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from lab import settings

ROOT = Path(__file__).resolve().parents[1]
ROLES = ROOT / "ansible" / "roles"

init_plugin_loader()

_TEMPLATING = RLock()
"""Ansible loads plugins on first use, which is not thread-safe."""


class TemplatedVars(Mapping[str, Any]):
    """A machine's variables. Each is templated on access, so that a broken one only affects its readers."""

    def __init__(self, loader: DataLoader, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.templar = Templar(loader=loader, variables=raw)

    def __getitem__(self, name: str) -> Any:
        with _TEMPLATING:
            return self.templar.template(self.raw[name])

    def __contains__(self, name: object) -> bool:
        return name in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)


@dataclass(frozen=True)
class Machine:
    """One host. `role()` returns it with the defaults of a role, which the inventory overrides."""

    name: str
    vars: TemplatedVars
    loader: DataLoader = field(repr=False)

    @property
    def address(self) -> str:
        """Where it offers its service."""
        return str(self.vars["service_address"])

    @property
    def ssh_address(self) -> str:
        """Where Ansible reaches it."""
        return str(self.vars["ansible_host"])

    def role(self, name: str, **extra: Any) -> Machine:
        """The machine as a task of that role sees it; `extra` holds loop items, registered results and facts."""
        path = ROLES / name
        files = [path / "defaults" / "main.yml", path / "vars" / "main.yml"]
        # `unsafe` returns what was read before without a copy, which would take longer than all else here.
        defaults, internal = (
            self.loader.load_from_file(str(f), trusted_as_template=True, unsafe=True) or {} if f.exists() else {}
            for f in files
        )
        role = {"role_name": name, "role_path": str(path), "ansible_search_path": [str(path)]}
        return Machine(
            self.name, TemplatedVars(self.loader, defaults | self.vars.raw | internal | role | extra), self.loader
        )

    def render(self, template: Path) -> str:
        """What `ansible.builtin.template` would write."""
        templar = self.vars.templar.copy_with_new_env(
            searchpath=[str(template.parent)],
            available_variables=self.vars.raw | {"ansible_managed": "Ansible managed", "template_path": str(template)},
        )
        text = trust_as_template(template.read_text(encoding="utf-8"))
        return str(
            templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": False})
        )


class Inventory:
    """Groups and machines of one inventory."""

    def __init__(self, manager: InventoryManager, variables: VariableManager, loader: DataLoader) -> None:
        self._manager, self._variables, self._loader = manager, variables, loader
        self.hostvars = HostVars(manager, variables, loader)  # registers itself with `variables`

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        subnet: str | None = None,
        backends: int | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Inventory:
        """Read `source` (default: the inventory of this host's lab); `overrides` win over its variables."""
        if source is None:
            settings.apply()
        source = ROOT / (source or os.environ.get("LAB_INVENTORY") or "inventory/lab")
        loader = DataLoader()
        password = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
        if password:
            secret = get_file_vault_secret(filename=password, loader=loader)
            secret.load()
            loader.set_vault_secrets([("default", secret)])
        loader.set_basedir(str(ROOT / "ansible"))  # playbook_dir
        with _environment(LAB_SUBNET=subnet):
            manager = InventoryManager(loader=loader, sources=[str(source)])
        if backends is not None:
            _resize(manager, "backends", backends)
        variables = VariableManager(loader=loader, inventory=manager)
        variables.safe_basedir = True  # reads ansible/group_vars/
        for host in manager.hosts:
            variables.set_nonpersistent_facts(host, dict(overrides or {}))
        return cls(manager, variables, loader)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Names of the machines by group, in the inventory's order; `all` is every machine."""
        return {name: list(hosts) for name, hosts in self._manager.get_groups_dict().items() if name != "ungrouped"}

    @property
    def tiers(self) -> dict[str, dict[str, Any]]:
        """What each tier is (ansible/group_vars/all/tiers.yml), in the order of that file."""
        return dict(self.hosts()[0].vars["tiers"])

    def machine(self, name: str) -> Machine:
        host = self._manager.get_host(name)
        if name not in self._manager.hosts:
            raise KeyError(f"no machine {name!r} in the inventory; there are {', '.join(self._manager.hosts)}")
        return Machine(name, TemplatedVars(self._loader, self._variables.get_vars(host=host)), self._loader)

    def hosts(self, group: str = "all") -> list[Machine]:
        """The machines of a group; empty if there is no such group."""
        return [self.machine(name) for name in self.groups.get(group, [])]


def _resize(manager: InventoryManager, group: str, size: int) -> None:
    """Shrink or grow a tier. New machines copy the first one, at the next free addresses."""
    first, *others = manager.groups[group].get_hosts()
    for host in others:
        manager._inventory.remove_host(host)
    subnet = first.vars["ansible_host"].rpartition(".")[0]
    taken = {host.vars["ansible_host"] for host in manager.hosts.values()}
    free = (f"{subnet}.{last}" for last in range(10, 255) if f"{subnet}.{last}" not in taken)
    for number in range(2, size + 1):
        name = f"{first.name.rstrip('0123456789')}{number}"
        manager._inventory.add_host(name, group)
        for key, value in (first.vars | {"ansible_host": next(free)}).items():
            manager.hosts[name].set_variable(key, value)
    manager.clear_caches()
    manager.reconcile_inventory()


@contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Set environment variables temporarily; None leaves one unchanged."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: value for name, value in values.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
