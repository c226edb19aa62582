"""Derives addresses, firewall rules and the page's map from ansible/group_vars/all/tiers.yml."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

USERS = "clients"
ANYONE = "anyone"
ALL = "all"

Tiers = Mapping[str, Mapping[str, Any]]
Rule = Mapping[str, Any]
Groups = Mapping[str, list[str]]


def allow_rules(tiers: Tiers) -> list[Rule]:
    """Each tier's `serves` as rules `{to, proto, ports, from}`."""
    return [{"to": name, **service} for name, tier in tiers.items() for service in tier["serves"]]


def addresses_by_tier(tiers: Tiers, groups: Groups, hostvars: Mapping[str, Any]) -> dict[str, list[str]]:
    """The service addresses of every tier's machines; empty for a group that is not in the inventory."""
    return {name: [hostvars[host]["service_address"] for host in groups.get(name, [])] for name in tiers}


def rules_by_address(rules: Iterable[Rule], addresses: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The same rules with addresses instead of tiers; `anyone` is kept."""
    return [
        {
            "proto": rule["proto"],
            "ports": list(rule.get("ports", [])),
            "from": [address for who in rule["from"] for address in addresses.get(who, [who])],
        }
        for rule in rules
    ]


def outgoing_by_address(
    rules: Iterable[Rule],
    names: Sequence[str],
    address: str,
    addresses: Mapping[str, list[str]],
    also_at: Mapping[str, list[str]],
) -> list[dict[str, Any]]:
    """What a machine may connect to, `{proto, ports, to}`: the rules that name it among their senders.

    Args:
        names: the machine's tiers.
        addresses: the service addresses of every tier; `also_at` has further ones.
    """
    known = {name: [*own, *also_at.get(name, [])] for name, own in addresses.items()}
    known[ALL] = [one for own in known.values() for one in own]
    found = []
    for rule in rules:
        targets = [rule["to"]] if isinstance(rule["to"], str) else rule["to"]
        if any(who in (ANYONE, ALL, *names) or contains(who, address) for who in rule["from"]):
            to = dict.fromkeys(one for target in targets for one in known.get(target, [target]))
            found.append({"proto": rule["proto"], "ports": list(rule.get("ports", [])), "to": list(to)})
    return found


def contains(network: str, address: str) -> bool:
    """Whether an address is in a network, or is this address; no name of a tier contains any."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def page_map(
    tiers: Tiers, groups: Groups, machines: Mapping[str, str], floating: Mapping[str, str], show_addresses: bool
) -> dict[str, Any]:
    """What the page draws: the tiers with their machines, the links between tiers, and addresses that float, if any.

    `machines` and `floating` are names and addresses.
    """

    def named(name: str, address: str) -> dict[str, str]:
        return {"name": name, "address": address} if show_addresses else {"name": name}

    behind = {name: tier for name, tier in tiers.items() if name != USERS}
    links = [[who if who in behind else "users", rule["to"]] for rule in allow_rules(tiers) for who in rule["from"]]
    return {
        "tiers": [
            {
                "name": name,
                "label": tier["label"],
                "runs": tier["runs"],
                "machines": [named(host, machines[host]) for host in groups.get(name, [])],
            }
            for name, tier in behind.items()
        ],
        "links": [link for number, link in enumerate(links) if link not in links[:number]],
    } | ({"floating": [named(*pair) for pair in floating.items()]} if floating else {})


def batch_size(hosts: Sequence[str], hostvars: Mapping[str, Any], majority: bool = False) -> int | str:
    """The `serial` of a tier's play: one machine at a time if any is in service, otherwise all at once.

    With `majority`, the tier is in service if more than half of its machines are: fewer can only start together.
    """
    in_service = sum(bool(hostvars[host].get("in_service")) for host in hosts if host in hostvars)
    return 1 if in_service > (len(hosts) // 2 if majority else 0) else "100%"


def certificate_names(machines: Mapping[str, str], hosts: Iterable[str], domain: str) -> dict[str, list[str]]:
    """The names that the certificate of each of these hosts is valid for; `machines` are all names and addresses."""
    return {host: [f"DNS:{host}.{domain}", f"IP:{machines[host]}"] for host in hosts}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "addresses_by_tier": addresses_by_tier,
            "allow_rules": allow_rules,
            "batch_size": batch_size,
            "certificate_names": certificate_names,
            "outgoing_by_address": outgoing_by_address,
            "page_map": page_map,
            "rules_by_address": rules_by_address,
        }
