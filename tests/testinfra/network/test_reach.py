"""Who reaches whom: what the firewalls of both machines let through is what `allow` lists, whatever the policy."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.machines import Box, Lab
from lab.reach import Host, Lists
from lab.waiting import SLOW

SILENCE_AFTER_SECONDS = 1.5 * SLOW
UNDECLARED_PORTS = {9, 22, 111, 8080}

CONNECTED, REFUSED, SILENCE = "connected", "refused", "silence"
"""Outcomes of an attempt to connect. The firewalls drop, so a refusal comes from a machine that was reached."""

ATTEMPTS = r"""
import json, select, socket, sys, time
query = json.load(sys.stdin)
poll, waiting, outcomes = select.poll(), {}, [[*endpoint, "silence"] for endpoint in query["endpoints"]]
for number, (address, port, _) in enumerate(outcomes):
    attempt = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    attempt.connect_ex((address, port))
    waiting[attempt.fileno()] = attempt, number
    poll.register(attempt, select.POLLOUT)
end = time.monotonic() + query["seconds"]
while waiting and (left := end - time.monotonic()) > 0:
    for descriptor, _ in poll.poll(1000 * left):
        poll.unregister(descriptor)
        attempt, number = waiting.pop(descriptor)
        failed = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        outcomes[number][2] = "refused" if failed else "connected"
        attempt.close()
json.dump(outcomes, sys.stdout)
"""

DATAGRAM = r"""
import json, socket, sys
try:
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"", tuple(json.load(sys.stdin)))
    json.dump("sent", sys.stdout)
except PermissionError:
    json.dump("dropped", sys.stdout)
"""
"""The kernel tells a program that the machine's own firewall has dropped its datagram."""

Endpoint = tuple[str, int]
"""Address and TCP port."""


@pytest.fixture(scope="module")
def lists(lab: Lab) -> Lists:
    return Lists.of(lab.vars)


@pytest.fixture(scope="module")
def this_computer(lab: Lab) -> Host:
    """The computer of the tests, at the address that the machines see. To them it is a stranger who may log in."""
    return Host(lab.tier("all")[0].output("echo ${SSH_CONNECTION%% *}"))


@pytest.fixture(scope="module")
def endpoints(lab: Lab, lists: Lists) -> list[Endpoint]:
    """Every port of a rule, and some others, on every machine."""
    return [(box.address, port) for box in lab for port in sorted(lists.ports("tcp") | UNDECLARED_PORTS)]


@pytest.fixture(scope="module")
def reached(lab: Lab, endpoints: list[Endpoint]) -> dict[str, dict[Endpoint, str]]:
    """The outcomes of attempts from every machine, all at once."""
    query = {"endpoints": endpoints, "seconds": SILENCE_AFTER_SECONDS}
    found = lab.everywhere(lambda box: box.python(ATTEMPTS, query))
    return {name: {(address, port): what for address, port, what in outcomes} for name, outcomes in found.items()}


def host(box: Box) -> Host:
    return Host(box.address, box.tiers)


def allowed(sender: Host, lab: Lab, lists: Lists, endpoints: list[Endpoint]) -> Iterator[Endpoint]:
    """What the lists let a machine or a stranger connect to. A machine may always connect to itself."""
    machines = {box.address: host(box) for box in lab}
    for address, port in endpoints:
        if sender == machines[address] or lists.passes(sender, machines[address], f"tcp/{port}"):
            yield address, port


def test_redis_mysql_and_backends_are_restricted(lab: Lab, lists: Lists) -> None:
    """Without restricted ports, the tests below would pass without testing anything."""
    restricted = {rule["to"] for rule in lists.allow if rule["proto"] == "tcp" and "anyone" not in rule["from"]}
    assert {"redis", "mysql", "backends"} <= restricted


def test_a_machine_reaches_what_the_lists_allow(
    any_machine: Box, lab: Lab, lists: Lists, endpoints: list[Endpoint], reached: dict[str, dict[Endpoint, str]]
) -> None:
    """Clients and frontends cannot connect to Redis or MySQL, and clients cannot bypass nginx to reach a backend.

    Members of a cluster use some ports only now and then, and refuse connections to them at other times."""
    mine = {endpoint for endpoint, outcome in reached[any_machine.name].items() if outcome != SILENCE}
    assert mine == set(allowed(host(any_machine), lab, lists, endpoints))


def test_daemons_accept_connections(
    any_machine: Box, lab: Lab, lists: Lists, endpoints: list[Endpoint], reached: dict[str, dict[Endpoint, str]]
) -> None:
    """A port that is open in the firewall may have no daemon behind it."""
    served = {
        tier: [int(port) for rule in lab.tiers[tier]["serves"] for port in rule.get("ports", [])][:1]
        for tier in lab.tiers
    }
    daemons = {(box.address, port) for box in lab for tier in box.tiers for port in served[tier]}
    used = daemons & set(allowed(host(any_machine), lab, lists, endpoints))
    assert {endpoint: reached[any_machine.name][endpoint] for endpoint in used} == dict.fromkeys(used, CONNECTED)


def test_this_computer_reaches_what_the_lists_allow(
    this_computer: Host, lab: Lab, lists: Lists, endpoints: list[Endpoint]
) -> None:
    """Computers outside of the system use the public services. SSH is for the declared ones."""
    with ThreadPoolExecutor(len(endpoints)) as pool:
        outcomes = dict(zip(endpoints, pool.map(connect, endpoints), strict=True))
    mine = {endpoint for endpoint, outcome in outcomes.items() if outcome != SILENCE}
    assert mine == set(allowed(this_computer, lab, lists, endpoints))


def connect(endpoint: Endpoint) -> str:
    try:
        socket.create_connection(endpoint, SILENCE_AFTER_SECONDS).close()
    except TimeoutError:
        return SILENCE
    except OSError:
        return REFUSED
    return CONNECTED


@pytest.mark.parametrize("port", [53, 123, 9, 514])
def test_what_leaves_a_machine_is_listed(any_machine: Box, this_computer: Host, lists: Lists, port: int) -> None:
    """With the closed policy, machines call resolvers and clocks outside of the system, and no other ports."""
    sent = any_machine.python(DATAGRAM, [this_computer.address, port]) == "sent"
    assert sent == lists.passes(host(any_machine), this_computer, f"udp/{port}")


def test_web_and_dns_are_open_to_every_machine(any_machine: Box, lab: Lab) -> None:
    """The public services must not be restricted by mistake, nor the addresses that float between frontends."""
    endpoints = [(address, lab.site_port) for address in lab.www_addresses]
    endpoints += [(box.address, box.vars["bind_port"]) for box in lab.tier("dns")]
    query = {"endpoints": endpoints, "seconds": 2 * SLOW}
    assert {what for _, _, what in any_machine.python(ATTEMPTS, query)} == {CONNECTED}
