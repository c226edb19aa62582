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
    """`docker0` is easier to find than an address."""
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
def test_other_routes_are_accepted(route: dict[str, Any]) -> None:
    """Default routes, unreachable routes and the lab's own bridge do not conflict."""
    assert routes_over("172.20.0", [route], ignore_dev="lab0") == []


def test_an_interface_is_reported_once_with_its_widest_network() -> None:
    """The kernel has three routes for every address."""
    own = {"type": "local", "dst": "172.20.0.1", "dev": "docker0"}
    routes = [own, DOCKER, {"type": "broadcast", "dst": "172.20.0.255", "dev": "docker0"}]
    (sentence,) = routes_over("172.20.0", routes)
    assert "172.16.0.0/12" in sentence


def test_the_remedy_is_a_network_that_is_free() -> None:
    """The suggested subnet must work."""
    (sentence,) = routes_over("172.20.0", [DOCKER, EVERYTHING[1]])
    assert "LAB_SUBNET=10.20.30 make up" in sentence


def test_there_is_no_remedy_if_no_subnet_is_free() -> None:
    """The list of alternatives is finite."""
    (sentence,) = routes_over("172.20.0", EVERYTHING)
    assert "LAB_SUBNET" not in sentence
