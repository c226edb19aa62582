"""Finds networks of this host that overlap the lab's.

    {{ "172.20.0" | routes_over(routes, ignore_dev="revezamento0") }}

`routes` is the parsed output of `ip -json route show table all`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

GUARDS = ("unreachable", "blackhole", "prohibit", "throw")  # routes without hosts behind them
ALTERNATIVES = ("172.20.0", "192.168.57", "10.20.30", "172.30.0", "192.168.156")


def routes_over(subnet: str, routes: Iterable[Mapping[str, Any]], ignore_dev: str = "") -> list[str]:
    """One message for each interface whose networks overlap the lab's /24."""
    routes = list(routes)
    free = next((other for other in ALTERNATIVES if not _users(other, routes, "")), None)
    remedy = f"Choose another: LAB_SUBNET={free} make up." if free else ""
    return [
        f"{subnet}.0/24 is in use on this machine: interface {device} has {network}. {remedy}".strip()
        for device, network in _users(subnet, routes, ignore_dev).items()
    ]


def _users(subnet: str, routes: list[Mapping[str, Any]], ignore_dev: str) -> dict[str, ipaddress.IPv4Network]:
    """The widest network of each interface that overlaps the subnet."""
    lab = ipaddress.IPv4Network(f"{subnet}.0/24")
    users: dict[str, ipaddress.IPv4Network] = {}
    for route in routes:
        network = _network(route)
        if network is None or not network.overlaps(lab) or route.get("type") in GUARDS:
            continue
        for device in [route.get("dev"), *(hop.get("dev") for hop in route.get("nexthops", []))]:
            if device and device != ignore_dev and (device not in users or users[device].subnet_of(network)):
                users[device] = network
    return users


def _network(route: Mapping[str, Any]) -> ipaddress.IPv4Network | None:
    """The destination of an IPv4 route; None for a default route, including the two /1 routes of VPNs."""
    try:
        network = ipaddress.IPv4Network(str(route["dst"]))
    except ValueError:  # "default", or IPv6
        return None
    return network if network.prefixlen > 1 else None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"routes_over": routes_over}
