"""The lab refuses a network that this machine already uses."""

from typing import Any

import pytest
from routes_over import ALTERNATIVES, routes_over

DOCKER = {"dst": "172.16.0.0/12", "dev": "docker0"}
EVERYTHING = [{"dst": f"{network}.0/24", "dev": "vpn0"} for network in ALTERNATIVES]


@pytest.mark.parametrize(
    "route",
    [
        DOCKER,
        {"dst": "172.20.0.0/24", "dev": "docker0"},
        {"dst": "172.20.0.128/25", "dev": "docker0"},
        {"dst": "172.20.0.7", "dev": "docker0", "type": "local"},
        {"dst": "172.20.0.0/16", "nexthops": [{"dev": "docker0", "weight": 1}]},
    ],
    ids=lambda route: route["dst"],
)
def test_an_overlapping_network_is_named_with_its_interface(route: dict[str, Any]) -> None:
    """`docker0` tells a user what to look for; an address alone does not."""
    (sentence,) = routes_over("172.20.0", [route])
    assert "172.20.0.0/24 is in use on this machine: interface docker0 has" in sentence
    assert route["dst"] in sentence


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "0.0.0.0/1", "dev": "tun0"},
        {"dst": "192.168.56.0/24", "dev": "vboxnet0"},
        {"dst": "fe80::/64", "dev": "eth0"},
        {"dst": "172.20.0.0/24", "dev": "lab0"},
        *({"type": kind, "dst": "172.16.0.0/12"} for kind in ("unreachable", "blackhole", "prohibit", "throw")),
    ],
    ids=lambda route: f"{route.get('type', '')} {route['dst']} {route.get('dev', '')}",
)
def test_what_is_no_collision(route: dict[str, Any]) -> None:
    """A default route leads elsewhere, a guard holds nobody, and the lab's own bridge is the lab."""
    assert routes_over("172.20.0", [route], ignore_dev="lab0") == []


def test_an_interface_is_named_once_by_its_widest_network() -> None:
    """The kernel keeps three routes for every address."""
    own = {"type": "local", "dst": "172.20.0.1", "dev": "docker0"}
    routes = [own, DOCKER, {"type": "broadcast", "dst": "172.20.0.255", "dev": "docker0"}]
    (sentence,) = routes_over("172.20.0", routes)
    assert "172.16.0.0/12" in sentence


def test_the_remedy_is_a_network_that_is_free() -> None:
    """Advice that fails in its turn is none."""
    (sentence,) = routes_over("172.20.0", [DOCKER, EVERYTHING[1]])
    assert "LAB_SUBNET=10.20.30 make up" in sentence


def test_no_advice_when_nothing_is_free() -> None:
    """The list of proposals ends."""
    (sentence,) = routes_over("172.20.0", EVERYTHING)
    assert "LAB_SUBNET" not in sentence
