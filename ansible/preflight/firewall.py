"""The rules of the firewall name tiers and addresses that exist, and leave a way in for Ansible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from preflight.machine import Machine, Machines, Tiers, as_network, nearest, place

ANYONE = "anyone"
ALL = "all"
POLICIES = ("open", "closed")


def wrong_rules(machines: Machines, tiers: Tiers) -> Iterator[str]:
    """A rule that names no tier and no address would open or close nothing."""
    places, addresses = [*tiers, ALL], [*tiers, ANYONE]
    own = {machine.read("service_address") for machine in machines.values()}
    for machine in machines.values():
        for rule in machine.read("allow") or ():
            if rule.get("to") not in own:
                yield from strange_names(machine, "allow", rule, [rule.get("to")], places, or_address=False)
            yield from strange_names(machine, "allow", rule, rule.get("from", ()), addresses)
        for rule in machine.read("allow_outgoing") or ():
            yield from strange_names(machine, "allow_outgoing", rule, rule.get("to", ()), addresses)
            yield from strange_names(machine, "allow_outgoing", rule, rule.get("from", ()), places)


def strange_names(
    machine: Machine, key: str, rule: Any, names: Iterable[Any], known: list[str], *, or_address: bool = True
) -> Iterator[str]:
    for name in names:
        if name not in known and not (or_address and as_network(name)):
            remedy = nearest(str(name), known, f"There are {', '.join(known)}.")
            what = f"the rule names `{name}`, which is no tier{' and no address' * or_address}"
            yield f"{place(rule) or machine.place(key)}: {what}. {remedy}"


def wrong_policy(machines: Machines) -> Iterator[str]:
    """With the closed policy, a machine that accepts SSH from nowhere could not be changed any more."""
    for machine in machines.values():
        policy = machine.read("nftables_policy") or POLICIES[0]
        if policy not in POLICIES:
            remedy = nearest(str(policy), POLICIES, f"Write {' or '.join(POLICIES)}.")
            yield f"{machine.place('nftables_policy')}: `nftables_policy` cannot be `{policy}`. {remedy}"
        elif policy == "closed" and not machine.read("allow_ssh_from"):
            remedy = "Set it to the addresses from which Ansible and administrators connect."
            yield f"{machine.place('nftables_policy')}: the closed policy needs `allow_ssh_from`. {remedy}"
