"""All roles have the same structure and are independent of each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.inventory import ROLES, ROOT, Inventory

STEPS = ["install.yml", "configure.yml", "run.yml", "ready.yml"]
OPTIONAL_STEPS = {"configure.yml", "run.yml"}
NAMES = sorted(path.name for path in ROLES.iterdir())

# Templates that no program on the machine can validate, or that are validated after they are written.
NO_VALIDATE = {
    ("acme", "*.j2"): "systemd verifies units by their name and place; tests/templates does",
    (
        "app",
        "revezamento.env.j2",
    ): "systemd has no checker for it; tests/templates reads it, and the app refuses a wrong one",
    ("app", "revezamento.socket.j2"): "systemd verifies units by their name and place; tests/templates does",
    ("app", "revezamento.service.j2"): "the same",
    ("common", "resolv.conf.j2"): "glibc has no checker; tests/templates reads it",
    ("common", "journald.conf.j2"): "journald has no checker; tests/templates reads it",
    ("nginx", "*.j2"): "systemd verifies units by their name and place; tests/templates does",
    ("nftables", "nftables.service.j2"): "systemd verifies units by their name and place; tests/templates does",
    ("redis", "redis-watch.service.j2"): "the same",
}

OWN_MODULES = ["daemon", "packages"]  # ansible/library/, ansible/action_plugins/
KEYWORDS = """
name block rescue always vars when register loop loop_control notify listen until retries delay no_log diff tags
changed_when failed_when check_mode delegate_to connection become ignore_unreachable throttle run_once
module_defaults environment
"""

role_names = pytest.mark.parametrize("role", NAMES)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(role: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"][
        "options"
    ]
    return found


def tasks(role: str) -> Iterator[dict[str, Any]]:
    """Every task of every file, including handlers; blocks are flattened."""
    for path in sorted((ROLES / role).glob("[th]a*/*.yml")):  # tasks, handlers
        yield from flat(load(path) or [])


def flat(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, []))


@role_names
def test_all_roles_have_the_same_files(role: str) -> None:
    """Readers find everything in the same place in every role."""
    main = [task["ansible.builtin.import_tasks"] for task in load(ROLES / role / "tasks" / "main.yml")]
    there = [step for step in STEPS if (ROLES / role / "tasks" / step).is_file()]
    assert main == there
    assert set(STEPS) - set(there) <= OPTIONAL_STEPS
    for file in ("defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml"):
        assert (ROLES / role / file).is_file(), file


SYSTEMD = {"ansible.builtin.systemd_service", "ansible.builtin.service"}
MAY_START = {"systemd-timesyncd.service", "systemd-resolved.service"}
"""Units of the distribution that no role configures."""


@role_names
def test_daemons_only_run_through_the_daemon_module(role: str) -> None:
    """The module `daemon` also works after an interrupted run; a pending handler would be lost."""
    assert not (ROLES / role / "handlers").exists()
    assert not [task["name"] for task in tasks(role) if "notify" in task]
    by_hand = [task[module]["name"] for task in tasks(role) for module in SYSTEMD & set(task)]
    assert set(by_hand) <= MAY_START


@role_names
def test_a_role_waits_until_it_is_ready(role: str) -> None:
    """A rolling change continues with the next machine once this one is ready, so the role retries its check."""
    asked = list(flat(load(ROLES / role / "tasks" / "ready.yml")))
    waits = [task for task in asked if "until" in task or "ansible.builtin.wait_for" in task]
    assert waits or role in ("common", "nftables", "tls", "lab_ca"), "nothing to wait for: these change at once"
    assert asked


@role_names
def test_secrets_are_not_logged(role: str) -> None:
    """Ansible prints arguments that do not match the specification."""

    def unprotected(specs: dict[str, Any], where: str = "") -> Iterator[str]:
        for name, spec in specs.items():
            if re.search(r"password|secret|senha|_key$", name) and not spec.get("no_log"):
                yield f"{where}{name}"
            yield from unprotected(spec.get("options", {}), f"{where}{name}.")

    assert list(unprotected(options(role))) == []


@role_names
def test_argument_specs_equal_defaults(role: str) -> None:
    """Ansible validates against the specs, but uses the values of defaults/main.yml."""
    specs, defaults = options(role), load(ROLES / role / "defaults" / "main.yml") or {}
    assert {name: spec["default"] for name, spec in specs.items() if "default" in spec} == defaults
    assert {name for name, spec in specs.items() if spec.get("required")} == set(specs) - set(defaults)


@role_names
def test_every_variable_is_explained(role: str) -> None:
    """defaults/main.yml documents the role; required variables are there as comments."""
    manual = (ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8")
    assert [name for name in options(role) if not re.search(rf"^(# )?{name}:", manual, re.MULTILINE)] == []
    assert all(spec.get("description") for spec in options(role).values())


@role_names
def test_variables_have_the_roles_prefix(role: str) -> None:
    """All roles share one namespace."""
    internal = ROLES / role / "vars" / "main.yml"
    found = {*options(role), *((load(internal) or {}) if internal.exists() else {})}
    for task in tasks(role):
        found |= {*task.get("vars", {}), *task.get("ansible.builtin.set_fact", {}), task.get("register", f"{role}_")}
    assert {name for name in found if not re.match(rf"(__)?{role}_", name)} <= {"cacheable"}


@role_names
def test_a_role_names_no_other_role_or_machine(role: str) -> None:
    """Roles get what they need from variables, which group_vars sets."""
    lab = Inventory.load("inventory/lab")
    others = [rf"\b{name}\b" for name in lab.groups["all"] if name[-1].isdigit()]  # `client` is also a common word
    others += [rf"\b{re.escape(machine.address)}\b" for machine in lab.hosts()]
    forbidden = re.compile("|".join([r"\bgroups\b\s*[\[.]", r"\bhostvars\b", r"\bgroup_names\b", *others]))
    for path in (path for path in (ROLES / role).rglob("*") if path.suffix in (".yml", ".j2", ".py")):
        code = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))  # examples may name machines
        assert not (hit := forbidden.search(code)), f"{path.relative_to(ROOT)}: {hit[0]}"


@role_names
def test_a_role_uses_no_other_roles_variables(role: str) -> None:
    """Roles can be used in another project."""
    others = [name for name in NAMES if name != role]
    declared = {name for other in others for name in options(other)}
    for path in (path for path in (ROLES / role).rglob("*") if path.suffix in (".yml", ".j2")):
        used = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        assert not (used & declared), f"{path.relative_to(ROOT)}"
        assert not {word for word in used if re.match(rf"__({'|'.join(others)})_", word)}, f"{path.relative_to(ROOT)}"


@role_names
def test_templates_are_validated(role: str) -> None:
    """An invalid file never replaces a valid one. NO_VALIDATE lists the exceptions."""
    bare = {
        (role, re.sub(r"{{.*?}}", "*", task["ansible.builtin.template"]["src"]))
        for task in tasks(role)
        if "ansible.builtin.template" in task and "validate" not in task["ansible.builtin.template"]
    }
    assert bare == {key for key in NO_VALIDATE if key[0] == role}


@role_names
def test_tasks_have_names_and_full_module_names(role: str) -> None:
    """Names explain a run's output; full module names are unambiguous."""
    for task in tasks(role):
        assert task.get("name"), task
        known = {*KEYWORDS.split(), *OWN_MODULES}
        assert [key for key in task if key not in known and key.count(".") < 2] == [], task["name"]
