"""Real firewalls, one for each machine of an inventory: who reaches whom is what `allow` lists, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import Inventory
from lab.reach import Host, Lists
from tests.templates import namespaces
from tests.templates.rendered import SECRETS, files, script
from tests.workbench import Workbench

PROGRAM = Path(namespaces.__file__)
UNDECLARED = {"tcp": {9, 22, 111, 443, 8080}, "udp": {67, 68, 111, 5353}}
STRANGERS = {
    "this computer": "{subnet}.1",
    "a computer in the network": "{subnet}.250",
    "a computer elsewhere": "198.51.100.9",
    "the network of vagrant ssh": "192.168.121.1",
}

Reached = set[tuple[str, str, str]]
"""Addresses of the sender and the target, and what was reached."""


class Site:
    """The machines of an inventory and some strangers, by name."""

    def __init__(self, source: str, policy: str) -> None:
        overrides = SECRETS | {"nftables_policy": policy}
        first = Inventory.load(source, overrides=overrides).hosts()[0].vars
        self.lists = Lists.of(first)
        self.hosts = {name: Host(address.format(subnet=first["lab_subnet"])) for name, address in STRANGERS.items()}
        self.rules = dict.fromkeys(STRANGERS, "")
        self.floating: dict[str, list[str]] = {}
        floating = list(first["www_floating_addresses"])
        # As the preflight does: each machine would evaluate them again.
        known = {name: first[name] for name in ("tier_addresses", "www_addresses")}
        inventory = Inventory.load(source, overrides=overrides | known)
        for machine in inventory.hosts():
            tiers = [tier for tier, names in inventory.groups.items() if tier != "all" and machine.name in names]
            self.hosts[machine.name] = Host(machine.address, tiers)
            self.rules[machine.name] = files(machine, "nftables")[0].text
            self.floating[machine.name] = [floating.pop()] if floating and "frontends" in tiers else []
        self.ports = {proto: sorted(UNDECLARED[proto] | self.lists.ports(proto)) for proto in ("tcp", "udp")}

    def addresses(self, name: str) -> list[str]:
        """A host's IPv4 addresses."""
        return [self.hosts[name].address, *self.floating.get(name, [])]

    def ipv6(self, name: str) -> str:
        return f"fd00::{list(self.hosts).index(name) + 1:x}"

    def name(self, address: str) -> str:
        return next(name for name in self.hosts if address in [*self.addresses(name), self.ipv6(name)])

    def probe(self, bench: Workbench, **changed: str) -> Reached:
        """What every host really reaches; `changed` replaces the rules of some machines."""
        rules = self.rules | changed
        machines = {name: {"addresses": self.network(name), "rules": rules[name]} for name in self.hosts}
        found = run(bench, "matrix", {"machines": machines, **self.ports})
        return {(sender, target, what) for sender, target, what in found}

    def network(self, name: str) -> list[str]:
        """Addresses with the lengths of their prefixes."""
        return [
            f"{self.addresses(name)[0]}/24",
            *(f"{one}/32" for one in self.addresses(name)[1:]),
            f"{self.ipv6(name)}/64",
        ]

    def expected(self) -> Reached:
        """What every host should reach, from the lists alone."""
        return {
            (sender.address, address, what)
            for sender in self.hosts.values()
            for name, target in self.hosts.items()
            if target != sender
            for what, addresses in self.passing(sender, target, name)
            for address in addresses
        }

    def passing(self, sender: Host, target: Host, name: str) -> Iterator[tuple[str, list[str]]]:
        """What a host should reach of another one, and at which addresses."""
        yield "ping", [*self.addresses(name), self.ipv6(name)]
        for what in (*(f"{proto}/{port}" for proto, ports in self.ports.items() for port in ports), "vrrp"):
            if self.lists.passes(sender, target, what):
                yield what, self.addresses(name)
        # No machine serves DHCP, and each may be a client.
        if self.lists.policy == "open" or not sender.is_machine:
            yield "DHCP server", self.addresses(name)
        if self.lists.policy == "open" or not target.is_machine:
            yield "DHCP client", self.addresses(name)


site = cache(Site)


def run(bench: Workbench, what: str, question: dict[str, Any]) -> Any:
    """Run tests/templates/namespaces.py in a network namespace of its own."""
    program, data = "/bench/namespaces.py", "/bench/machines.json"
    command = ["unshare", "--net", "sh", "-c", 'exec python3 "$1" "$2" <"$3"', "sh", program, what, data]
    done = bench.run(command, {program: PROGRAM.read_text(encoding="utf-8"), data: json.dumps(question)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CASES = [("inventory/lab", "closed"), ("inventory/ha", "closed"), ("inventory/lab", "open")]


@pytest.mark.parametrize(("source", "policy"), CASES, ids=[f"{source[10:]} {policy}" for source, policy in CASES])
def test_who_reaches_whom_is_what_allow_lists(source: str, policy: str, workbench: Workbench) -> None:
    """Every ordered pair of machines, and computers outside, x every port of interest, VRRP, DHCP and ping."""
    reached, expected = site(source, policy).probe(workbench), site(source, policy).expected()
    wrong = {"too much": sorted(reached - expected), "missing": sorted(expected - reached)}
    assert wrong == {"too much": [], "missing": []}


def test_ssh_is_for_the_declared_networks() -> None:
    """The lab's computer, and the network that `vagrant ssh` uses. The test above follows the lists; this one and the
    next are what they mean."""
    lab = site("inventory/lab", "closed")
    ssh = {
        lab.name(sender) for sender, target, what in lab.expected() if what == "tcp/22" and lab.name(target) == "redis1"
    }
    assert ssh == {"this computer", "the network of vagrant ssh"}


def test_machines_connect_to_what_they_use() -> None:
    """A frontend that is taken over reaches backends and no data, and calls nobody outside but resolvers, clocks and
    mirrors."""
    lab = site("inventory/lab", "closed")
    own = {
        (lab.name(target), what) for sender, target, what in lab.expected() if sender == lab.hosts["frontend1"].address
    }
    assert {what for name, what in own if name in ("redis1", "mysql1")} == {"ping"}
    assert {what for name, what in own if name.startswith("backend")} == {"ping", "tcp/8000"}
    outside = {what for name, what in own if name == "a computer elsewhere"}
    assert outside == {"ping", "DHCP client", "tcp/53", "udp/53", "udp/123", "tcp/80", "tcp/443"}


def test_a_hole_is_found(workbench: Workbench) -> None:
    """The probes can fail: one machine may send what it likes, and answers SSH from everywhere."""
    lab = site("inventory/lab", "closed")
    leaky = re.sub(r"tcp dport { 22 } ip saddr {.*}", "tcp dport { 22 }", lab.rules["backend1"])
    leaky = leaky.replace("hook output priority filter; policy drop", "hook output priority filter; policy accept")
    reached, expected, own = lab.probe(workbench, backend1=leaky), lab.expected(), lab.hosts["backend1"].address
    assert expected < reached
    assert {"tcp/9", "udp/111", "vrrp"} <= {what for sender, _, what in reached - expected if sender == own}
    assert ("198.51.100.9", own, "tcp/22") in reached - expected


def connection(workbench: Workbench, old: str, new: str, between: str = "") -> dict[str, str]:
    """What arrives on a connection from backend1 to redis1 when both change their policies.

    `between` are rules that both have before that, for one message.
    """
    before, after = (site("inventory/lab", policy) for policy in (old, new))
    names = ("backend1", "redis1")
    question = {
        "machines": {name: {"addresses": before.network(name), "rules": before.rules[name]} for name in names},
        "between": between,
        "new_rules": {name: after.rules[name] for name in names},
        "client": names[0],
        "server": names[1],
        "port": 6379,
        "tcp": [],
        "udp": [67, 68],
    }
    arrived: dict[str, str] = run(workbench, "reload", question)
    return arrived


ALL_ARRIVED = {"server first": "server first", "client": "client", "server": "server"}


def test_new_rules_cut_no_connection(workbench: Workbench) -> None:
    """The table is replaced in one step, and the kernel keeps what it knows about connections."""
    assert connection(workbench, "closed", "closed") == ALL_ARRIVED


def test_the_closed_policy_cuts_no_connection(workbench: Workbench) -> None:
    """The role lets the kernel learn the connections first."""
    learning = script("nftables", "trial", "Let the kernel learn the connections that exist", "stdin")
    assert connection(workbench, "open", "closed", learning) == ALL_ARRIVED


def test_an_unknown_connection_continues_when_its_client_sends(workbench: Workbench) -> None:
    """One that was silent while the kernel learned. What the server has sent before arrives then: TCP repeats it."""
    arrived = connection(workbench, "open", "closed")
    assert arrived["server first"] == ""
    assert (arrived["client"], arrived["server"][-6:]) == ("client", "server")
