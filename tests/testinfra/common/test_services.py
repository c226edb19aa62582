"""Required units run and start at boot, and no unexpected port is open."""

from __future__ import annotations

import ipaddress

from lab.machines import Box

RNDC_PORT = 953
"""BIND's control port for rndc, on loopback only."""

BASE_PORTS = {("tcp", 22), ("udp", 68), ("udp", 546)}
"""SSH and the DHCP clients for IPv4 and IPv6, which are part of the base machine."""


def test_units_are_active(any_server: Box) -> None:
    """The inventory lists the units of each machine."""
    states = any_server.run(f"systemctl is-active {' '.join(any_server.units)}").stdout.split()
    assert dict(zip(any_server.units, states, strict=False)) == dict.fromkeys(any_server.units, "active")


def test_units_start_at_boot(any_server: Box) -> None:
    """A unit that is started but not enabled is missing after a reboot."""
    states = any_server.run(f"systemctl is-enabled {' '.join(any_server.units)}").stdout.split()
    assert dict(zip(any_server.units, states, strict=False)) == dict.fromkeys(any_server.units, "enabled")


def test_no_unit_has_failed(any_machine: Box) -> None:
    """A known failed unit makes new failures easy to miss."""
    assert any_machine.output("systemctl list-units --failed --plain --no-legend") == ""


def test_services_have_a_restart_policy(any_server: Box) -> None:
    """Services must restart after a crash. `test_kill.py` tests the restart itself."""
    for unit in any_server.units:
        if unit.endswith(".service"):
            restart = any_server.output("systemctl show --property=Restart --value %s", unit)
            assert restart in ("always", "on-failure"), unit


def test_only_expected_addresses_and_ports_are_open(any_machine: Box) -> None:
    """Services listen on the lab address only: VMs also have an external interface."""
    loopback, external = _listening(any_machine)
    assert external == _expected(any_machine)
    assert {port for _, port in loopback} <= {port for _, _, port in _expected(any_machine)} | {RNDC_PORT}


def _listening(machine: Box) -> tuple[set[tuple[str, int]], set[tuple[str, str, int]]]:
    """Sockets on loopback (protocol, port), and on other addresses (protocol, address, port)."""
    loopback, external = set(), set()
    for line in machine.output("ss -Hlntu").splitlines():
        words = line.split()
        address, _, port = words[4].rpartition(":")
        address = address.strip("[]").split("%")[0]
        if (words[0], int(port)) in BASE_PORTS:
            continue
        if address != "*" and ipaddress.ip_address(address).is_loopback:
            loopback.add((words[0], int(port)))
        else:
            external.add((words[0], address, int(port)))
    return loopback, external


def _expected(machine: Box) -> set[tuple[str, str, int]]:
    """The sockets that the machine's tiers serve."""
    services = [service for tier in machine.tiers for service in machine.vars["tiers"][tier]["serves"]]
    addresses = machine.vars["nginx_addresses"] if "frontends" in machine.tiers else [machine.address]
    return {
        (service["proto"], address, port)
        for service in services
        for address in addresses
        for port in service.get("ports", [])
    }
