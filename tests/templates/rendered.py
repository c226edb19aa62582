"""Renders every file that a role's template tasks would write on a machine, without the machine."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from ansible.parsing.dataloader import DataLoader

from lab.inventory import ROLES, ROOT, Inventory, Machine

MODULES = ("ansible.builtin.template", "template")
SCRIPTS = ("ansible.builtin.command", "ansible.builtin.shell")

# Facts that tasks register on a machine before they write its files.
FOUND: dict[str, Callable[[Machine], dict[str, Any]]] = {
    "app": lambda _: {
        "__app_release": "1.0.0-0123abcd",
        "__app_release_dir": "/opt/revezamento/releases/1.0.0-0123abcd",
    },
    "bind": lambda machine: {"__bind_serials": {zone["file"]: "1" for zone in machine.vars["__bind_zones"]}},
    "nginx": lambda _: {"__nginx_version": {"stderr": "nginx version: nginx/1.26.3"}},
    "keepalived": lambda _: {"__keepalived_found": {"stdout": '[{"ifname": "eth0"}]'}},
    "common": lambda _: {
        "__common_provider": {"content": b64encode(b"nameserver 192.0.2.53\nnameserver 192.0.2.54\n").decode()}
    },
}

VARIANTS: dict[str, dict[str, Any]] = {
    "lab": {},
    "1 backend": {"backends": 1},
    "12 backends": {"backends": 12},
    "other domain": {"overrides": {"lab_domain": "exemplo.org"}},
    "other subnet": {"subnet": "192.168.56"},
    "ha": {"source": "inventory/ha"},
    "public": {
        "source": "inventory/ha",
        "overrides": {
            "nginx_tls": "acme",
            "nginx_public_addresses": ["203.0.113.20"],
            "www_public_addresses": ["203.0.113.20", "203.0.113.21"],
            "bind_public_nameservers": {"dns1": ["203.0.113.5"], "dns2": ["203.0.113.6"]},
            "nginx_trusted_proxies": ["192.0.2.250"],
            "nginx_proxy_protocol": True,
            "nftables_policy": "closed",
        },
    },
    "tls": {
        "overrides": {"nginx_tls": "lab_ca", "nginx_http2": True, "nginx_hsts_seconds": 63072000, "machine_tls": True}
    },
}
SECRETS = {
    f"secret_{name}": f"secret-of-{name}-0123456789"
    for name in (
        *("redis_app", "redis_admin", "redis_replica", "redis_sentinel"),
        *("mysql_app", "mysql_admin", "route", "tickets", "dns_transfer", "dns_update"),
    )
}


@dataclass(frozen=True)
class File:
    """A rendered file. `validate` is the command of its task, '' if it has none."""

    role: str
    src: str
    dest: str
    text: str
    mode: str
    validate: str

    @property
    def world_readable(self) -> bool:
        return int(self.mode[-1]) & 4 != 0


def roles() -> dict[str, str]:
    """Each role of ansible/site.yml and the group that it is applied to."""
    return {role["role"]: play["hosts"] for play in _plays("site.yml") for role in play.get("roles", [])}


def _plays(playbook: str) -> Iterator[dict[str, Any]]:
    """The plays of a playbook, and of those that it imports."""
    for play in DataLoader().load_from_file(str(ROOT / "ansible" / playbook)):
        if imported := play.get("ansible.builtin.import_playbook"):
            yield from _plays(imported)
        else:
            yield play


@cache
def template_tasks(role: str) -> list[dict[str, Any]]:
    """The role's template tasks, in all its task files and blocks."""
    loader = DataLoader()
    paths = sorted((ROLES / role / "tasks").glob("*.yml"))
    tasks = [task for path in paths for task in loader.load_from_file(str(path), trusted_as_template=True) or []]
    return list(_template_tasks(tasks))


def _template_tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        for part in ("block", "rescue", "always"):
            yield from _template_tasks(task.get(part, []))
        if any(module in task for module in MODULES):
            yield task


def files(machine: Machine, role: str, src: str = "", /, **found: Any) -> list[File]:
    """The files that the role writes on this machine, with loops unrolled; `found` adds registered facts.

    With `src`, only those from this template.
    """
    if role in FOUND:
        found = FOUND[role](machine.role(role)) | found
    return [file for task in template_tasks(role) for file in _unroll(machine, role, task, found, src)]


def _unroll(machine: Machine, role: str, task: dict[str, Any], found: dict[str, Any], src: str) -> Iterator[File]:
    known = found | task.get("vars", {})
    items = machine.role(role, **known).vars.templar.template(task["loop"]) if "loop" in task else [None]
    arguments = next(task[module] for module in MODULES if module in task)
    control = {"loop_var": "item", "index_var": "__index"} | task.get("loop_control", {})
    for index, item in enumerate(items):
        host = machine.role(role, **known, **{control["loop_var"]: item, control["index_var"]: index})
        options = {
            name: str(host.vars.templar.template(arguments.get(name, "")))
            for name in ("src", "dest", "mode", "validate")
        }
        if src in ("", options["src"]):
            yield File(role=role, text=host.render(ROLES / role / "templates" / options["src"]), **options)


@cache
def inventory(variant: str = "lab") -> Inventory:
    """The lab, or a variant of it, with fixed secrets."""
    options = {"source": "inventory/lab"} | VARIANTS[variant]
    return Inventory.load(**{**options, "overrides": SECRETS | options.get("overrides", {})})


def machines(role: str, variant: str = "lab") -> list[Machine]:
    """The first machine of each tier that has the role; with high availability also the second, a replica."""
    tiers = inventory(variant).groups
    group, number = roles()[role], 2 if variant in ("ha", "public") else 1
    some = {host for tier, hosts in tiers.items() if tier != "all" for host in hosts[:number]}
    return [inventory(variant).machine(name) for name in tiers[group] if name in some]


def text(role: str, src: str, variant: str = "lab", machine: str = "") -> str:
    """The first file that this template renders on the machine (default: the first one with the role)."""
    host = inventory(variant).machine(machine) if machine else machines(role, variant)[0]
    return files(host, role, src)[0].text


def script(role: str, file: str, name: str, argument: str) -> str:
    """An argument of a task's module, such as `cmd`, as the first machine of the role gets it."""
    machine = machines(role)[0].role(role)
    tasks = machine.loader.load_from_file(str(ROLES / role / "tasks" / f"{file}.yml"), trusted_as_template=True)
    (task,) = (task for task in tasks if task["name"] == name)
    (arguments,) = (value for key, value in task.items() if key in SCRIPTS)
    return str(machine.vars.templar.template(arguments[argument]))


def digests(variant: str = "lab") -> dict[str, str]:
    """A digest of every file of every machine. Zone serials are left out: they depend on the time."""
    written = [
        (machine.name, file) for role in roles() for machine in machines(role, variant) for file in files(machine, role)
    ]
    return {
        f"{name}:{file.dest}": sha256(re.sub(r"\d+ ; serial", "", file.text).encode()).hexdigest()
        for name, file in written
    }
