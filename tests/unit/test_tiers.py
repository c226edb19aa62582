"""One entry in `tiers` describes a tier; everything else is derived from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tiers import batch_size, outgoing_by_address, rules_by_address

from lab.inventory import ROOT, Inventory
from tests.unit.conftest import Copy

TIERS = ROOT / "ansible" / "group_vars" / "all" / "tiers.yml"


@pytest.fixture
def with_cache(lab: Copy) -> Inventory:
    """The lab with another tier: a cache for the backends and for the address of an administrator."""
    entry = {
        "label": {"en": "Cache", "pt": "Cache"},
        "runs": {"en": "memcached", "pt": "memcached"},
        "machine": "cache",
        "role": "cache",
        "units": ["memcached.service"],
        "serves": [{"proto": "tcp", "ports": [11211], "from": ["backends", "172.20.0.200"]}],
    }
    tiers = yaml.safe_load(TIERS.read_text(encoding="utf-8"))["tiers"] | {"cache": entry}
    (lab.path / "group_vars" / "all" / "tiers.yml").write_text(
        yaml.safe_dump({"tiers": tiers}, sort_keys=False), encoding="utf-8"
    )
    group = "    cache:\n      hosts:\n        cache1: {ansible_host: 172.20.0.6}\n"
    lab.replace("hosts.yml", "    backends:\n", f"{group}    backends:\n")
    return Inventory.load(lab.path)


def test_another_tier_is_one_entry(with_cache: Inventory) -> None:
    """Units, addresses, rules and the page's map come from the entry."""
    cache = with_cache.machine("cache1").vars
    assert cache["machine_units"] == ["memcached.service"]
    assert cache["tier_addresses"]["cache"] == ["172.20.0.6"]
    backends = [backend.address for backend in with_cache.hosts("backends")]
    assert cache["nftables_rules"] == [{"proto": "tcp", "ports": [11211], "from": [*backends, "172.20.0.200"]}]
    page = with_cache.machine("frontend1").vars["nginx_map"]
    assert [tier["name"] for tier in page["tiers"]][-1] == "cache"
    assert ["backends", "cache"] in page["links"]


def test_the_preflight_knows_another_tier(with_cache: Inventory, lab: Copy) -> None:
    """A tier without a machine is refused unless it is optional."""
    assert not [problem for problem in lab.problems() if "cache" in problem]
    lab.replace("hosts.yml", "        cache1: {ansible_host: 172.20.0.6}\n", "        {}\n")
    assert [problem for problem in lab.problems() if "group `cache` is empty" in problem]


@pytest.mark.parametrize(
    ("states", "size"),
    [
        ({"backend1": {}, "backend2": {}}, "100%"),
        ({"backend1": {"in_service": False}, "backend2": {"in_service": False}}, "100%"),
        ({"backend1": {"in_service": True}, "backend2": {"in_service": False}}, 1),
    ],
    ids=["unknown", "first installation", "in service"],
)
def test_a_tier_in_service_changes_one_machine_at_a_time(states: dict[str, Any], size: int | str) -> None:
    """The first installation has no users yet and may run in parallel."""
    assert batch_size(["backend1", "backend2"], states) == size


@pytest.mark.parametrize(("in_service", "size"), [(0, "100%"), (1, "100%"), (2, 1), (3, 1)])
def test_a_cluster_changes_one_at_a_time_if_a_majority_serves(in_service: int, size: int | str) -> None:
    """A single database that becomes a cluster, and members that are down, wait for each other."""
    members = ["mysql1", "mysql2", "mysql3"]
    states = {name: {"in_service": number < in_service} for number, name in enumerate(members)}
    assert batch_size(members, states, majority=True) == size


def test_rules_keep_addresses_and_networks() -> None:
    """Only names of tiers are replaced by addresses."""
    rules = [{"to": "redis", "proto": "vrrp", "from": ["backends", "192.0.2.0/24", "anyone"]}]
    assert rules_by_address(rules, {"backends": ["192.0.2.10"]}) == [
        {"proto": "vrrp", "ports": [], "from": ["192.0.2.10", "192.0.2.0/24", "anyone"]}
    ]


ADDRESSES = {"backends": ["192.0.2.10"], "redis": ["192.0.2.4"], "frontends": ["192.0.2.50", "192.0.2.51"]}


@pytest.mark.parametrize(
    ("rule", "to"),
    [
        ({"to": "redis", "from": ["backends"]}, ["192.0.2.4"]),
        ({"to": "redis", "from": ["192.0.2.0/28"]}, ["192.0.2.4"]),
        ({"to": "frontends", "from": ["anyone"]}, ["192.0.2.50", "192.0.2.51", "192.0.2.20"]),
        ({"to": ["198.51.100.1", "redis"], "from": ["all"]}, ["198.51.100.1", "192.0.2.4"]),
        ({"to": ["anyone"], "from": ["backends"]}, ["anyone"]),
    ],
)
def test_a_machine_may_connect_to_what_allows_it(rule: dict[str, Any], to: list[str]) -> None:
    """A rule counts if it names the machine's tier, its address, or everybody. A tier may be elsewhere as well."""
    rules = [{"proto": "tcp", "ports": [6379], **rule}]
    found = outgoing_by_address(
        rules, ["backends"], "192.0.2.10", ADDRESSES, {"frontends": ["192.0.2.20", "192.0.2.50"]}
    )
    assert found == [{"proto": "tcp", "ports": [6379], "to": to}]


@pytest.mark.parametrize("senders", [["frontends"], ["192.0.2.64/28"], []])
def test_a_machine_may_not_connect_to_what_allows_others(senders: list[str]) -> None:
    """What a firewall lets in is no reason to let it out elsewhere."""
    rules = [{"to": "redis", "proto": "tcp", "ports": [6379], "from": senders}]
    assert outgoing_by_address(rules, ["backends"], "192.0.2.10", ADDRESSES, {}) == []


def test_every_group_of_an_inventory_is_a_tier() -> None:
    """A group that no entry describes would have no units, no rules and no tests."""
    tiers = set(yaml.safe_load(TIERS.read_text(encoding="utf-8"))["tiers"])
    for inventory in ("lab", "production.example"):
        hosts = yaml.safe_load(Path(ROOT / "inventory" / inventory / "hosts.yml").read_text(encoding="utf-8"))
        assert set(hosts["all"]["children"]) <= tiers
