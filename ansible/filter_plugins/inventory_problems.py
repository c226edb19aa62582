"""Finds every problem of an inventory. Each message has the place, the problem and the remedy.

{{ groups | inventory_problems(hostvars) }}   ->   ["inventory/lab/hosts.yml:20: backend2 …", …]

ansible/preflight/ has the checks, by subject.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # Ansible itself only finds the plugin

from preflight.addresses import bad_addresses, lab_network, missing_tiers, wrong_public_side
from preflight.balancing import wrong_balancing
from preflight.firewall import wrong_policy, wrong_rules
from preflight.machine import Groups, Machine
from preflight.names import (
    bad_secrets,
    broken_values,
    declared_variables,
    demo_users_outside_the_lab,
    unknown_keys,
)
from preflight.tls import wrong_machine_tls, wrong_tls


def inventory_problems(groups: Groups, hostvars: Any) -> list[str]:
    """All problems, each once. Empty if the inventory is valid."""
    groups = {name: hosts for name, hosts in groups.items() if name != "ungrouped"}
    loader = hostvars._loader
    known: dict[Any, Any] = {}
    raw = {name: {**hostvars.raw_get(name), "hostvars": hostvars} for name in groups["all"]}
    machines = {name: Machine(variables, loader, known) for name, variables in raw.items()}
    declared = declared_variables(Path(__file__).parents[1] / "roles")
    network, found = lab_network(machines)
    if not found:
        found += bad_addresses(machines, network)
    if not found:  # many values depend on the addresses, which are the same for all machines
        addresses = next((machine.read("tier_addresses") for machine in machines.values()), None)
        shared = {"tier_addresses": addresses}
        machines = {name: Machine({**variables, **shared}, loader, known) for name, variables in raw.items()}
    tiers = next((machine.read("tiers") for machine in machines.values()), None) or {}
    found += [*missing_tiers(groups, machines, tiers), *wrong_rules(machines, tiers), *wrong_policy(machines)]
    found += [*unknown_keys(machines, declared), *bad_secrets(machines), *wrong_balancing(machines)]
    found += [*wrong_tls(machines), *wrong_machine_tls(machines), *wrong_public_side(groups, machines)]
    found += [*demo_users_outside_the_lab(machines)]
    if not found:  # each problem above breaks every template that depends on it
        found += broken_values(machines, declared)
    return list(dict.fromkeys(problem.strip() for problem in found))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"inventory_problems": inventory_problems}
