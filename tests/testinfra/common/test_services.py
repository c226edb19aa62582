"""Required units run and start at boot, and no unexpected port is open."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from lab.machines import Box

RNDC_PORT = 953
"""BIND's control port for rndc, on loopback only."""

DHCP_CLIENTS = {("udp", 68), ("udp", 546)}
"""For IPv4 and IPv6: part of the base machine, as SSH is."""


@dataclass(frozen=True)
class Socket:
    """One that waits for data or connections, and the systemd units whose processes have it."""

    proto: str
    address: str
    port: int
    units: frozenset[str]

    @property
    def is_local(self) -> bool:
        return self.address != "*" and ipaddress.ip_address(self.address).is_loopback


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


def test_only_declared_sockets_are_open(any_machine: Box) -> None:
    """Services listen on the lab address only: VMs also have an external interface."""
    sockets, declared = _sockets(any_machine), _declared(any_machine)
    outside = {(one.proto, one.address, one.port) for one in sockets if not one.is_local}
    # Between the members of a database cluster: some of these are open only while one gets a copy, or while all start.
    now_and_then = {*any_machine.vars["mysql_replica_ports"], any_machine.vars["mysql_election_port"]}
    assert {one for one in declared if one[2] not in now_and_then} <= outside <= declared
    assert {one.port for one in sockets if one.is_local} <= {port for _, _, port in declared} | {RNDC_PORT}


def test_sockets_belong_to_the_machines_units(any_machine: Box) -> None:
    """Another program could listen where a service does not. systemd itself holds the sockets of socket units."""
    known = {*any_machine.units, "init.scope"}
    assert [one for one in _sockets(any_machine) if not one.units or not one.units <= known] == []


def test_the_firewall_names_every_open_port(any_machine: Box) -> None:
    """A socket without a rule is open to everybody with the open policy, and useless with the closed one."""
    rules = [rule for rule in any_machine.vars["nftables_rules"] if rule["ports"]]
    named = {(rule["proto"], int(port)) for rule in rules for port in rule["ports"]}
    assert {(one.proto, one.port) for one in _sockets(any_machine) if not one.is_local} <= named


def _sockets(machine: Box) -> list[Socket]:
    """All sockets that listen, except SSH's and those of DHCP clients."""
    base = {("tcp", int(machine.vars["allow_ssh_port"])), *DHCP_CLIENTS}
    found = []
    for line in machine.root_output("ss -Hlntup").splitlines():
        proto, _, _, _, local, _, *users = line.split(None, 6)
        address, _, port = local.rpartition(":")
        if (proto, int(port)) not in base:
            pids = ",".join(re.findall(r"pid=(\d+)", "".join(users)))
            units = machine.root(f"ps -o unit= -p {pids}").stdout.split() if pids else []
            found.append(Socket(proto, address.strip("[]").split("%")[0], int(port), frozenset(units)))
    return found


def _declared(machine: Box) -> set[tuple[str, str, int]]:
    """The sockets that the machine's tiers serve: protocol, address, port."""
    known = machine.vars
    elsewhere = {
        "frontends": [*known["nginx_addresses"], *known["nginx_public_addresses"]],
        "dns": [*known["bind_addresses"], *known["bind_public_addresses"]],
    }
    return {
        (service["proto"], address, port)
        for tier in machine.tiers
        for service in known["tiers"][tier]["serves"]
        for address in elsewhere.get(tier, [machine.address])
        for port in service.get("ports", [])
    }
