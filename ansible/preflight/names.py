"""Every variable is read by something, every template can be evaluated, and no secret is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from ansible._internal._datatag._tags import Origin
from ansible.errors import AnsibleError
from preflight.machine import Machine, Machines, mentions, nearest, place

MACHINE_KEYS = ("ansible_host", "service_address", "memory_mb", "cpus")
LAB_KEYS = ("lab_subnet", "lab_domain", "lab_state_dir")
PROJECT_KEYS = (
    *(*MACHINE_KEYS, *LAB_KEYS, "in_service", "machine_units", "machine_role", "site_url", "www_addresses"),
    *("machine_tls", "machine_tls_change", "machine_ca_folder", "machine_ca_certificates"),
)
SECRET_MIN_CHARACTERS = 16
Variables = Mapping[str, set[str]]  # what each role declares


def declared_variables(roles: Path) -> dict[str, set[str]]:
    """The variables in each role's argument specs."""
    specs = {path.parts[-3]: yaml.safe_load(path.read_bytes()) for path in roles.glob("*/meta/argument_specs.yml")}
    return {role: set(spec["argument_specs"]["main"].get("options", {})) for role, spec in specs.items()}


def unknown_keys(machines: Machines, declared: Variables) -> Iterator[str]:
    """A key that no role declares and nothing in the inventory reads is a typo."""
    for machine in machines.values():
        known = {*PROJECT_KEYS}.union(*declared.values(), *(mentions(machine.raw[key]) for key in machine.own_keys))
        for key in machine.own_keys:
            role = next((role for role in declared if key.startswith(f"{role}_")), None)
            if key in known or key.startswith("ansible_"):
                continue
            if role:
                remedy = nearest(key, declared[role], f"Its variables are in ansible/roles/{role}/defaults/main.yml.")
                yield f"{place(key)}: role `{role}` has no variable `{key}`. {remedy}"
            elif remedy := nearest(key, known, stands_beside_machines(key, machine)):
                yield f"{place(key)}: nothing reads `{key}`. {remedy}"


def stands_beside_machines(key: str, machine: Machine) -> str:
    """group_vars may hold users' own variables; next to the machines, only known keys are allowed."""
    origin = Origin.get_tag(key)
    beside = origin is not None and origin.path and Path(origin.path).parent == Path(machine.raw["inventory_dir"])
    return f"A machine has {', '.join(MACHINE_KEYS)}, ansible_* and the roles' variables." if beside else ""


def bad_secrets(machines: Machines) -> Iterator[str]:
    """Secrets are the variables whose names begin with `secret_`. Their values are never shown."""
    remedy = "Set it in a file that ansible-vault encrypts; the lab makes its own."
    for machine in machines.values():
        users = {name: key for key in machine.own_keys for name in mentions(machine.raw[key])}
        for name, user in users.items():
            if not name.startswith("secret_"):
                continue
            value = machine.read(name)
            if name not in machine:
                yield f"{machine.place(user)}: secret `{name}` is missing. {remedy}"
            elif value is not None and len(str(value)) < SECRET_MIN_CHARACTERS:
                size = f"{len(str(value))} characters, not {SECRET_MIN_CHARACTERS}"
                yield f"{machine.place(name)}: secret `{name}` has {size}. {remedy}"
        yield from bad_previous_secrets(machine)


def bad_previous_secrets(machine: Machine) -> Iterator[str]:
    """A wrong name would replace a secret without overlap."""
    previous, where = machine.read("previous_secrets") or {}, machine.place("previous_secrets")
    if not isinstance(previous, Mapping):
        yield f"{where}: `previous_secrets` is not a mapping. Write it like {{mysql_app: the one before}}."
        return
    for name, value in previous.items():
        if f"secret_{name}" not in machine:
            yield f"{where}: `previous_secrets` has `{name}`, but there is no `secret_{name}`. Correct the name."
        elif not isinstance(value, str):
            yield f"{where}: `previous_secrets` has `{name}`, which is no text. Write it in quotes."


def demo_users_outside_the_lab(machines: Machines) -> Iterator[str]:
    for machine in machines.values():
        if "lab_subnet" not in machine and machine.read("app_demo_users"):
            where = machine.place("app_demo_users")
            yield f"{where}: `app_demo_users` have public passwords and are for the lab alone. Remove them."


def broken_values(machines: Machines, declared: Variables) -> Iterator[str]:
    """Templates that cannot be evaluated, except those that need a fact or a role's default."""
    later = {"ansible_facts"}.union(*declared.values())
    for machine in machines.values():
        for key in machine.own_keys:
            try:
                machine[key]
            except AnsibleError as error:
                undefined = set(re.findall(r"'(\w+)' is undefined", str(error)))
                if not undefined & later and "ansible_facts" not in mentions(machine.raw[key]):
                    yield f"{machine.place(key)}: `{key}` cannot be evaluated: {error}"
