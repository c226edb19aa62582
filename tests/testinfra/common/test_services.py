"""What has to run runs, comes back at boot, and nothing else listens."""

from __future__ import annotations

import ipaddress

from lab.machines import Box

RNDC_PORT = 953
"""Where rndc steers BIND, on loopback alone."""

PROVIDER = {("tcp", 22), ("udp", 68), ("udp", 546)}
"""SSH and DHCP, for IPv4 and IPv6, came with the machine."""


def test_its_units_are_active(any_server: Box) -> None:
    """The inventory says what runs where."""
    states = any_server.run(f"systemctl is-active {' '.join(any_server.units)}").stdout.split()
    assert dict(zip(any_server.units, states, strict=False)) == dict.fromkeys(any_server.units, "active")


def test_its_units_start_at_boot(any_server: Box) -> None:
    """A service that was only started is gone after the next power failure."""
    states = any_server.run(f"systemctl is-enabled {' '.join(any_server.units)}").stdout.split()
    assert dict(zip(any_server.units, states, strict=False)) == dict.fromkeys(any_server.units, "enabled")


def test_no_unit_has_failed(any_machine: Box) -> None:
    """A failed unit nobody asked about hides the next one."""
    assert any_machine.output("systemctl list-units --failed --plain --no-legend") == ""


def test_systemd_would_restart_its_services(any_server: Box) -> None:
    """A service that dies is started again; `test_kill.py` tries it."""
    for unit in any_server.units:
        if unit.endswith(".service"):
            restart = any_server.output("systemctl show --property=Restart --value %s", unit)
            assert restart in ("always", "on-failure"), unit


def test_it_listens_where_it_should_and_nowhere_else(any_machine: Box) -> None:
    """On its service address, not on every address that the machine has: a VM has one towards the world as well."""
    inside, outside = _listening(any_machine)
    assert outside == _expected(any_machine)
    assert {port for _, port in inside} <= {port for _, _, port in _expected(any_machine)} | {RNDC_PORT}


def _listening(machine: Box) -> tuple[set[tuple[str, int]], set[tuple[str, str, int]]]:
    """What listens on loopback (protocol, port), and elsewhere (protocol, address, port)."""
    inside, outside = set(), set()
    for line in machine.output("ss -Hlntu").splitlines():
        words = line.split()
        address, _, port = words[4].rpartition(":")
        address = address.strip("[]").split("%")[0]
        if (words[0], int(port)) in PROVIDER:
            continue
        if address != "*" and ipaddress.ip_address(address).is_loopback:
            inside.add((words[0], int(port)))
        else:
            outside.add((words[0], address, int(port)))
    return inside, outside


def _expected(machine: Box) -> set[tuple[str, str, int]]:
    """What its tiers serve."""
    serves = [service for tier in machine.tiers for service in machine.vars["tiers"][tier]["serves"]]
    addresses = machine.vars["nginx_addresses"] if "frontends" in machine.tiers else [machine.address]
    return {(one["proto"], address, port) for one in serves for address in addresses for port in one["ports"]}
