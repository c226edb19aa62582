"""Firewall rules: restricted ports accept the allowed machines and drop packets from all others."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW

ANSWERED, SILENCE = 0, 124
"""Exit codes of a connection attempt under `timeout`: connected, or timed out. A refused connection would give 1."""

SILENCE_AFTER_SECONDS = 1.5 * SLOW

Endpoint = tuple[str, int]
"""Address and TCP port."""


def restricted(lab: Lab) -> dict[Endpoint, list[str]]:
    """Every restricted TCP port, and the addresses that may connect to it."""
    return {
        (box.address, int(port)): list(rule["from"])
        for box in lab
        for rule in box.vars["nftables_rules"]
        for port in rule["ports"]
        if rule["proto"] == "tcp" and "anyone" not in rule["from"]
    }


@pytest.fixture(scope="module")
def reached(lab: Lab) -> dict[str, dict[Endpoint, int]]:
    """Exit codes of connection attempts from every machine to every restricted port, in parallel."""
    attempt = f"timeout {SILENCE_AFTER_SECONDS} bash -c '</dev/tcp/%s/%s' 2>/dev/null; echo %s %s $?"
    attempts = " ".join(f"({attempt % (endpoint * 2)}) &" for endpoint in restricted(lab))
    printed = lab.everywhere(lambda box: box.output(f"{attempts} wait"))
    return {
        name: {(address, int(port)): int(outcome) for address, port, outcome in map(str.split, text.splitlines())}
        for name, text in printed.items()
    }


def test_redis_mysql_and_backends_are_restricted(lab: Lab) -> None:
    """Without restricted ports, the tests below would pass without testing anything."""
    addresses = {address for address, _ in restricted(lab)}
    assert addresses == {box.address for group in ("redis", "mysql", "backends") for box in lab.tier(group)}


def test_allowed_connections_succeed(any_machine: Box, lab: Lab, reached: dict[str, dict[Endpoint, int]]) -> None:
    """A firewall that drops everything would pass the next test. A machine may always connect to itself.

    The outcome is that of a machine's own connection, since members of a cluster use some ports only now and then.
    """
    mine, names = reached[any_machine.name], {box.address: box.name for box in lab}
    allowed = {
        endpoint: reached[names[endpoint[0]]][endpoint]
        for endpoint, sources in restricted(lab).items()
        if any_machine.address in sources or any_machine.address == endpoint[0]
    }
    assert {endpoint: mine[endpoint] for endpoint in allowed} == allowed
    daemons = {
        (box.address, int(box.vars["nftables_rules"][0]["ports"][0])) for box in lab if box.vars["nftables_rules"]
    }
    assert {allowed[endpoint] for endpoint in daemons & set(allowed)} <= {ANSWERED}


def test_other_connections_are_dropped(any_machine: Box, lab: Lab, reached: dict[str, dict[Endpoint, int]]) -> None:
    """Clients and frontends cannot connect to Redis or MySQL, and clients cannot bypass nginx to reach a backend."""
    mine = reached[any_machine.name]
    forbidden = {
        endpoint: SILENCE
        for endpoint, sources in restricted(lab).items()
        if any_machine.address not in sources and any_machine.address != endpoint[0]
    }
    assert {endpoint: mine[endpoint] for endpoint in forbidden} == forbidden


def test_web_and_dns_are_open_to_every_machine(any_machine: Box, lab: Lab) -> None:
    """The public services must not be restricted by mistake."""
    endpoints = [(address, lab.site_port) for address in lab.www_addresses]
    endpoints += [(box.address, box.vars["bind_port"]) for box in lab.tier("dns")]
    for address, port in endpoints:
        attempt = f"timeout {2 * SLOW} bash -c '</dev/tcp/{address}/{port}'"
        assert any_machine.run(attempt).rc == ANSWERED, (address, port)
