"""Who may reach whom by the lists of ansible/group_vars/all/allow.yml. Tests and the audit compare it with reality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Host:
    """A machine of the inventory, or a stranger: without a tier, and without a firewall."""

    address: str
    tiers: Sequence[str] = ()

    @property
    def is_machine(self) -> bool:
        return bool(self.tiers)


@dataclass(frozen=True)
class Lists:
    """What is declared. Ports are written `tcp/22`; other protocols, as in the rules, have none."""

    policy: str
    allow: Sequence[Rule]
    outgoing: Sequence[Rule]

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Lists:
        return cls(*(variables[name] for name in ("nftables_policy", "allow", "allow_outgoing")))

    def ports(self, proto: str) -> set[int]:
        """Every port of a rule."""
        return {int(port) for rule in [*self.allow, *self.outgoing] if rule["proto"] == proto for port in rule["ports"]}

    def passes(self, sender: Host, target: Host, what: str) -> bool:
        """Whether the firewalls of both let it through."""
        return self.leaves(sender, target, what) and self.enters(sender, target, what)

    def enters(self, sender: Host, target: Host, what: str) -> bool:
        if not target.is_machine:
            return True
        names = (*target.tiers, "all", target.address)
        about = [rule for rule in self.allow if rule["to"] in names and covers(rule, what)]
        return any(sends(sender, rule) for rule in about) or (self.policy == "open" and not about)

    def leaves(self, sender: Host, target: Host, what: str) -> bool:
        if not sender.is_machine or self.policy == "open":
            return True
        elsewhere = any(sends(sender, rule) and covers(rule, what) for rule in self.outgoing if "anyone" in rule["to"])
        return elsewhere or (target.is_machine and self.enters(sender, target, what))


def covers(rule: Rule, what: str) -> bool:
    ports = rule.get("ports") or []
    return what in [f"{rule['proto']}/{port}" for port in ports] if ports else what == rule["proto"]


def sends(sender: Host, rule: Rule) -> bool:
    """Whether a rule is about this sender."""
    return any(
        who == "anyone" or who in sender.tiers or (who == "all" and sender.is_machine) or contains(who, sender.address)
        for who in rule["from"]
    )


def contains(network: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:
        return False
