"""The firewall rules."""

from __future__ import annotations

import re

import pytest

from lab.inventory import Inventory
from tests.templates.rendered import SECRETS, VARIANTS, files, inventory, text
from tests.workbench import Workbench

CLOSED = [("mysql1", 3306, "backends"), ("redis1", 6379, "backends"), ("backend1", 8000, "frontends")]
REPLICATED = {"mysql1": "mysql", "redis1": "redis"}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("machine", "port", "senders"), CLOSED)
def test_only_one_tier_reaches_a_port(machine: str, port: int, senders: str, variant: str) -> None:
    """Requests can only go from frontend to backend to data store, whose machines may also be connected."""
    rules = text("nftables", "nftables.conf.j2", variant, machine)
    own = inventory(variant).hosts(REPLICATED[machine]) if variant in ("ha", "public") and machine in REPLICATED else []
    service = rf"tcp dport {{ {port}(?:, \d+)* }}"
    (accepted,) = re.findall(rf"{service} ip saddr {{ (.*?) }} accept", rules)
    assert set(accepted.split(", ")) == {sender.address for sender in [*inventory(variant).hosts(senders), *own]}
    (opened,) = re.finditer(rf"{service} ip saddr .* accept\n", rules)
    (closed,) = re.finditer(rf"{service} counter drop\n", rules)
    assert opened.start() < closed.start()


@pytest.mark.parametrize("machine", ["frontend1", "dns1", "client"])
def test_public_tiers_have_no_closed_ports(machine: str) -> None:
    """Users reach these machines directly. SSH stays open everywhere."""
    assert "drop" not in text("nftables", "nftables.conf.j2", machine=machine)


def test_only_frontends_tell_frontends_who_holds_an_address() -> None:
    """VRRP has no password: another machine could take the addresses of the site."""
    rules = text("nftables", "nftables.conf.j2", "ha", "frontend1")
    (accepted,) = re.findall(r"meta l4proto vrrp ip saddr { (.*?) } accept", rules)
    assert sorted(accepted.split(", ")) == sorted(frontend.address for frontend in inventory("ha").hosts("frontends"))
    assert rules.index(accepted) < rules.index("meta l4proto vrrp counter drop")


def test_rules_take_every_protocol_and_both_families(workbench: Workbench) -> None:
    """Two rules may open one port to different senders. IPv6 and protocols without ports work as well."""
    rules = [
        {"proto": "tcp", "ports": [6379, 26379], "from": ["192.0.2.10"]},
        {"proto": "tcp", "ports": [6379], "from": ["2001:db8::/32", "192.0.2.0/28"]},
        {"proto": "vrrp", "ports": [], "from": ["192.0.2.20"]},
        {"proto": "udp", "ports": [53], "from": ["anyone"]},
    ]
    (file, _) = files(inventory().machine("redis1"), "nftables", nftables_rules=rules)
    check = workbench.run(["nft", "--check", "--file", file.dest], {file.dest: file.text})
    assert check.returncode == 0, check.stderr
    lines = [line.strip() for line in file.text.splitlines()]
    first_drop = next(number for number, line in enumerate(lines) if line.endswith("drop"))
    assert not [line for line in lines[first_drop:] if line.endswith("accept")], "a drop before an accept"
    assert "meta l4proto vrrp ip saddr { 192.0.2.20 } accept" in lines
    assert "meta l4proto vrrp counter drop" in lines
    assert not [line for line in lines if line.startswith("udp") and line.endswith("drop")]


CLOSED_RULES = {
    "nftables_policy": "closed",
    "nftables_rules": [{"proto": "tcp", "ports": [22], "from": ["192.0.2.0/28", "2001:db8::/32"]}],
    "nftables_outgoing": [
        {"proto": "tcp", "ports": [80, 443], "to": ["anyone"]},
        {"proto": "udp", "ports": [53], "to": ["192.0.2.5", "2001:db8::5"]},
        {"proto": "vrrp", "ports": [], "to": ["192.0.2.20"]},
    ],
}


def test_a_closed_firewall_drops_what_has_no_rule(workbench: Workbench) -> None:
    """In all three directions, for both families."""
    (file, _) = files(inventory().machine("redis1"), "nftables", **CLOSED_RULES)
    check = workbench.run(["nft", "--check", "--file", file.dest], {file.dest: file.text})
    assert check.returncode == 0, check.stderr
    assert re.findall(r"hook (\w+) .*policy (\w+);", file.text) == [
        ("input", "drop"),
        ("forward", "drop"),
        ("output", "drop"),
    ]
    output = [line.strip() for line in file.text.partition("chain output")[2].splitlines()]
    assert [line for line in output if line.startswith(("tcp", "udp dport", "meta"))] == [
        "tcp dport { 80, 443 } accept",
        "udp dport { 53 } ip daddr { 192.0.2.5 } accept",
        "udp dport { 53 } ip6 daddr { 2001:db8::5 } accept",
        "meta l4proto vrrp ip daddr { 192.0.2.20 } accept",
    ]


@pytest.mark.parametrize(("dhcp", "rules"), [(True, 4), (False, 0)])
def test_dhcp_can_be_closed(dhcp: bool, rules: int) -> None:
    """A server with fixed addresses needs none."""
    (file, _) = files(inventory().machine("redis1"), "nftables", **CLOSED_RULES, nftables_dhcp=dhcp)
    assert len(re.findall(r"udp sport (?:67|68|546|547) ", file.text)) == rules


def test_the_open_policy_filters_nothing_that_goes_out() -> None:
    """Without the closed policy, only ports with a rule are closed, and connections need no state."""
    rules = text("nftables", "nftables.conf.j2", machine="redis1")
    assert re.findall(r"hook (\w+) .*policy (\w+);", rules) == [("input", "accept")]
    assert "ct state" not in rules


def test_with_acme_frontends_reach_the_certificate_and_nobody_else_does() -> None:
    """By SSH, on the one name server that has it. That machine reaches the server that issues it."""
    overrides = SECRETS | {
        "nginx_tls": "acme",
        "nftables_policy": "closed",
        "acme_directory_url": "https://192.0.2.9:14000/dir",
    }
    machines = Inventory.load("inventory/ha", overrides=overrides)
    variables = {name: machines.machine(name).vars for name in ("dns1", "dns2", "frontend1", "backend1")}
    frontends = [machine.address for machine in machines.hosts("frontends")]
    senders = {
        name: [rule["from"] for rule in known["nftables_rules"] if rule["ports"] == [22]]
        for name, known in variables.items()
    }
    everybody = list(variables["dns1"]["allow_ssh_from"])
    assert senders == {name: [everybody] for name in variables} | {"dns1": [everybody, frontends]}
    outgoing = {
        name: [(rule["ports"], rule["to"]) for rule in known["nftables_outgoing"] if rule["ports"] in ([22], [14000])]
        for name, known in variables.items()
    }
    dns1 = machines.machine("dns1").address
    assert outgoing == {
        "dns1": [([14000], ["anyone"])],
        "dns2": [],
        "frontend1": [([22], [dns1])],
        "backend1": [],
    }
