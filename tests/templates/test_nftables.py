"""The firewall rules."""

from __future__ import annotations

import re

import pytest

from tests.templates.rendered import VARIANTS, files, inventory, text
from tests.workbench import Workbench

CLOSED = [("mysql1", 3306, "backends"), ("redis1", 6379, "backends"), ("backend1", 8000, "frontends")]
REPLICATED = {"mysql1": "mysql", "redis1": "redis"}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("machine", "port", "senders"), CLOSED)
def test_only_one_tier_reaches_a_port(machine: str, port: int, senders: str, variant: str) -> None:
    """Requests can only go from frontend to backend to data store, whose machines may also be connected."""
    rules = text("nftables", "nftables.conf.j2", variant, machine)
    own = inventory(variant).hosts(REPLICATED[machine]) if variant == "ha" and machine in REPLICATED else []
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
