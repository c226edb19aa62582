"""The table of `make status`: in the map with several machines of everything, it says who does what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.inventory import ROOT, Inventory

HEALTHY = {"problem": "", "state": "running", "up_seconds": 60, "memory_mb": 9, "role": "", "journal": ""}


@pytest.fixture(scope="module")
def ha() -> Inventory:
    return Inventory.load("inventory/ha")


def table(inventory: Inventory, **changes: dict[str, Any]) -> dict[str, str]:
    """The machines' lines by name; `changes` are what guest_status.py prints on some of them."""
    machines: dict[str, Any] = {}
    for machine in inventory.hosts():
        units = {str(unit): "active" for unit in machine.vars["machine_units"]}
        answer = HEALTHY | {"units": units} | changes.get(machine.name, {})
        status = {"rc": 0, "stdout": json.dumps(answer)} if machine.name not in changes.get("away", {}) else {"rc": 4}
        machines[machine.name] = {"service_address": machine.address, "machine_status": status}
    some = inventory.hosts()[0]
    text = some.role("common", groups=inventory.groups, hostvars=machines).render(ROOT / "lab" / "status.txt.j2")
    lines = [line for line in text.splitlines() if line.partition(" ")[0] in machines]
    return {line.partition(" ")[0]: line for line in lines}


def test_it_says_who_does_what(ha: Inventory) -> None:
    """Who is the primary, who holds which address, and how many members the cluster has."""
    roles = {
        "frontend2": "holds 172.20.0.21 172.20.0.22",
        "redis3": "primary of 2",
        "mysql1": "Synced, 3 of 3 members",
    }
    lines = table(ha, **{name: {"role": role} for name, role in roles.items()})
    for name, role in roles.items():
        assert lines[name].endswith(f".service: {role}")
    assert lines["backend1"].endswith("revezamento.socket revezamento.service")


def test_a_problem_does_not_hide_the_role(ha: Inventory) -> None:
    """The primary without its Sentinel is still the primary. An incomplete role is the problem itself."""
    broken = {"problem": "redis-sentinel.service is failed", "role": "primary of 2"}
    incomplete = {"problem": "holds no address", "role": "holds no address"}
    lines = table(ha, redis1=broken, frontend1=incomplete, away={"frontend3": True})
    assert lines["redis1"].endswith("  redis-sentinel.service is failed: primary of 2")
    assert lines["frontend1"].endswith("  holds no address")
    assert lines["frontend3"].endswith("no answer")
