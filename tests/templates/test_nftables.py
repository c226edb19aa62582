"""Who may talk to whom."""

from __future__ import annotations

import re

import pytest

from tests.templates.rendered import VARIANTS, inventory, text

GUARDED = [("mysql1", 3306, "backends"), ("redis1", 6379, "backends"), ("backend1", 8000, "frontends")]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("machine", "port", "friends"), GUARDED)
def test_a_port_is_for_one_tier(machine: str, port: int, friends: str, variant: str) -> None:
    """The path of a request is the only path: frontend, backend, data."""
    rules = text("nftables", "nftables.conf.j2", variant, machine)
    (accepted,) = re.findall(rf"tcp dport {port} ip saddr {{ (.*?) }} accept", rules)
    assert sorted(accepted.split(", ")) == sorted(friend.address for friend in inventory(variant).hosts(friends))
    assert rules.index("accept\n", rules.index(f"dport {port}")) < rules.index(f"tcp dport {port} counter drop")


@pytest.mark.parametrize("machine", ["frontend1", "dns1", "client"])
def test_the_rest_stays_open(machine: str) -> None:
    """The world talks to these; and SSH stays open everywhere."""
    assert "drop" not in text("nftables", "nftables.conf.j2", machine=machine)
