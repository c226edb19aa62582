"""Every tier has machines, and each machine an address of its own, also on the site's public side."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator

from preflight.machine import Groups, Machines, Tiers, as_ipv4, as_network, nearest

PRIVATE_NETWORKS = tuple(ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
PUBLIC_ADDRESSES = ("nginx_public_addresses", "bind_public_addresses", "www_public_addresses")
NETWORKS = ("nginx_trusted_proxies", "bind_inside")


def lab_network(machines: Machines) -> tuple[ipaddress.IPv4Network | None, list[str]]:
    """The lab's /24 (None outside of a lab), and the problems of `lab_subnet`."""
    machine = next((machine for machine in machines.values() if "lab_subnet" in machine), None)
    if machine is None:
        return None, []
    subnet = str(machine.read("lab_subnet"))
    if (base := as_ipv4(f"{subnet}.0")) and any(base in private for private in PRIVATE_NETWORKS):
        return ipaddress.IPv4Network(f"{base}/24"), []
    where = "LAB_SUBNET in your environment" if os.environ.get("LAB_SUBNET") == subnet else machine.place("lab_subnet")
    what = f"`{subnet}` is not the first three numbers of a private network"
    return None, [f"{where}: {what}. Write it like 192.168.57."]


def missing_tiers(groups: Groups, machines: Machines, tiers: Tiers) -> Iterator[str]:
    files = {machine.place("inventory_hostname").rpartition(":")[0] for machine in machines.values()}
    for tier, entry in tiers.items():
        if not groups.get(tier) and entry.get("required", True):
            what = "is empty" if tier in groups else "is missing"
            renamed = nearest(tier, set(groups) - set(tiers)).replace("Did you mean", "Is that")
            where = ", ".join(sorted(files)) or "the inventory"
            yield f"{where}: group `{tier}` {what}. {renamed or 'Every tier needs a machine.'}"


def bad_addresses(machines: Machines, network: ipaddress.IPv4Network | None) -> Iterator[str]:
    users: dict[str, dict[str, str]] = {}  # address -> machine -> where that is written
    for name, machine in machines.items():
        line, ssh, service = (
            machine.place("inventory_hostname"),
            machine.read("ansible_host"),
            machine.read("service_address"),
        )
        if service is None:
            renamed = nearest("ansible_host", machine.own_keys).replace("Did you mean", "Is that")
            yield f"{line}: {name} has no address. Give it `ansible_host: <IPv4 address>`. {renamed}"
        elif not as_ipv4(service):
            yield f"{line}: {name}: `{service}` is not an IPv4 address. Write four numbers as its service_address."
        forwarded = machine.read("ansible_port") not in (None, 22, "22")  # many machines behind one address
        for address in {str(a) for a in (None if forwarded else ssh, service) if a is not None}:
            users.setdefault(address, {})[name] = line
    for address, where in users.items():
        if len(where) > 1:
            lines, names = ", ".join(where.values()), " and ".join(where)
            yield f"{lines}: {names} have the same address {address}. Give each its own."
        if network and (ip := as_ipv4(address)) and (wrong := no_place_for(ip, network)):
            yield from (f"{line}: {name}: {address} {wrong}" for name, line in where.items())


def no_place_for(ip: ipaddress.IPv4Address, network: ipaddress.IPv4Network) -> str:
    """Why no machine of the lab can have this address; '' if the address is valid."""
    owners = {network[0]: "names the network", network[1]: "is the gateway", network[-1]: "is the broadcast address"}
    if ip not in network:
        return f"is outside of the lab's network {network}. Move it in, or change lab_subnet."
    return f"{owners[ip]}. Use one from {network[2]} to {network[-2]}." if ip in owners else ""


def wrong_public_side(groups: Groups, machines: Machines) -> Iterator[str]:
    """Public addresses that no zone can have, and proxies that would let clients choose their address."""
    for machine in machines.values():
        for key in (*PUBLIC_ADDRESSES, *NETWORKS):
            value = machine.read(key) or []
            fits, kind = (as_network, "address and no network") if key in NETWORKS else (as_ipv4, "IPv4 address")
            if not isinstance(value, list):
                yield f"{machine.place(key)}: `{key}` is not a list. Write it like [203.0.113.20]."
                continue
            yield from (f"{machine.place(key)}: `{key}` has `{v}`, which is no {kind}." for v in value if not fits(v))
            if any((network := as_network(one)) and network.prefixlen == 0 for one in value):
                remedy = "List the addresses of the proxies: everybody else could claim any address."
                yield f"{machine.place(key)}: `{key}` has the whole internet. {remedy}"
        if machine.read("nginx_proxy_protocol") and not machine.read("nginx_trusted_proxies"):
            where, remedy = machine.place("nginx_proxy_protocol"), "List the load balancers that speak it."
            yield f"{where}: `nginx_proxy_protocol` needs `nginx_trusted_proxies`. {remedy}"
        for name in groups.get("dns", ()) if machine.read("www_public_addresses") else ():
            if not machines[name].read("bind_public_addresses"):
                where, remedy = machines[name].place("inventory_hostname"), f"Give {name} `bind_public_addresses`."
                yield f"{where}: `www` has public addresses, so its name servers need some as well. {remedy}"
