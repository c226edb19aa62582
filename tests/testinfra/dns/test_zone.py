"""The name servers' answers and refusals, queried from the client."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass

import pytest
import yaml

from lab.machines import Box, Lab
from lab.waiting import SLOW


@dataclass(frozen=True)
class Reply:
    """A response from a name server."""

    status: str
    flags: frozenset[str]
    answer: tuple[tuple[str, int, str, str], ...]
    """(name, TTL in seconds, type, data) of each record."""

    def data(self, kind: str) -> list[str]:
        return [data for _, _, type_, data in self.answer if type_ == kind]


def query(client: Box, nameserver: Box, *questions: str) -> list[Reply]:
    """Run all queries in one remote command. Return a reply for each."""
    common = f"@{nameserver.address} +yaml +tries=2 +time={2 * SLOW} +norecurse"
    printed = client.output("; ".join(f"dig {common} {question}" for question in questions))
    return [_reply(entry["message"]["response_message_data"]) for entry in yaml.safe_load(printed)]


def _reply(message: dict[str, object]) -> Reply:
    records = []
    for line in message.get("ANSWER_SECTION") or []:  # type: ignore[attr-defined]
        name, ttl, _, kind, data = str(line).split(maxsplit=4)
        records.append((name, int(ttl), kind, data))
    return Reply(str(message["status"]), frozenset(str(message["flags"]).split()), tuple(records))


@pytest.fixture(scope="module")
def rotation(client: Box, nameserver: Box, lab: Lab) -> list[Reply]:
    """Replies to repeated queries for www."""
    return query(client, nameserver, *[f"{lab.site_name} A"] * (10 * len(lab.www_addresses)))


def test_www_is_every_frontend(rotation: list[Reply], lab: Lab) -> None:
    """Each reply contains all frontends and no other address."""
    assert {frozenset(reply.data("A")) for reply in rotation} == {frozenset(lab.www_addresses)}


def test_each_frontend_is_listed_first_equally_often(rotation: list[Reply], lab: Lab) -> None:
    """Most programs connect to the first address, so its rotation balances the load."""
    first = Counter(reply.data("A")[0] for reply in rotation)
    share = len(rotation) / len(lab.www_addresses)
    assert set(first) == set(lab.www_addresses)
    assert min(first.values()) >= share / 2, first


def test_ttl_of_www_matches_the_inventory(rotation: list[Reply], nameserver: Box) -> None:
    """The TTL limits how long clients keep using a frontend that was removed."""
    assert {ttl for reply in rotation for _, ttl, _, _ in reply.answer} == {nameserver.role("bind")["bind_ttl_seconds"]}


def test_answers_are_authoritative(rotation: list[Reply]) -> None:
    """The `aa` flag shows that the server has loaded the zone."""
    assert {reply.status for reply in rotation} == {"NOERROR"}
    assert all("aa" in reply.flags for reply in rotation)


def test_soa_and_ns_name_the_servers(client: Box, nameserver: Box, lab: Lab) -> None:
    """Other name servers rely on SOA and NS records."""
    soa, ns = query(client, nameserver, f"{lab.domain} SOA", f"{lab.domain} NS")
    assert soa.data("SOA")[0].split()[0] == f"{nameserver.vars['bind_primary']}.{lab.domain}."
    assert set(ns.data("NS")) == {f"{name}.{lab.domain}." for name in lab.names("dns")}


def test_every_machine_has_forward_and_reverse_records(client: Box, nameserver: Box, lab: Lab) -> None:
    """Reverse records turn the addresses in logs into names."""
    forward = query(client, nameserver, *[f"{box.name}.{lab.domain} A" for box in lab])
    reverse = query(client, nameserver, *[f"-x {box.address}" for box in lab])
    assert [reply.data("A") for reply in forward] == [[box.address] for box in lab]
    assert [reply.data("PTR") for reply in reverse] == [[f"{box.name}.{lab.domain}."] for box in lab]


def test_zone_serial_is_the_same_on_every_server(client: Box, lab: Lab) -> None:
    """Servers with different serials give different answers."""
    serials = {query(client, server, f"{lab.domain} SOA")[0].data("SOA")[0].split()[2] for server in lab.tier("dns")}
    assert len(serials) == 1


def test_queries_over_tcp_are_answered(client: Box, nameserver: Box, lab: Lab) -> None:
    """Resolvers retry truncated answers over TCP."""
    (reply,) = query(client, nameserver, f"+tcp {lab.site_name} A")
    assert set(reply.data("A")) == set(lab.www_addresses)


@pytest.mark.parametrize("kind", ["A", "AAAA", "TXT"])
def test_an_unknown_name_returns_nxdomain(client: Box, nameserver: Box, lab: Lab, kind: str) -> None:
    """Without a wildcard record, a mistyped name does not lead to a frontend."""
    (reply,) = query(client, nameserver, f"unknown.{lab.domain} {kind}")
    assert (reply.status, reply.answer) == ("NXDOMAIN", ())


def test_a_missing_record_type_returns_noerror(client: Box, nameserver: Box, lab: Lab) -> None:
    """NXDOMAIN for AAAA would make resolvers treat the A records as missing too."""
    (reply,) = query(client, nameserver, f"{lab.site_name} AAAA")
    assert (reply.status, reply.answer) == ("NOERROR", ())


def test_an_unused_address_has_no_reverse_record(client: Box, nameserver: Box, lab: Lab) -> None:
    """Reverse records exist for the lab's machines only."""
    network = ipaddress.ip_network(f"{nameserver.address}/24", strict=False)
    free = next(str(address) for address in network.hosts() if str(address) not in lab.addresses("all"))
    (reply,) = query(client, nameserver, f"-x {free}")
    assert (reply.status, reply.answer) == ("NXDOMAIN", ())


def test_recursion_is_refused(client: Box, nameserver: Box) -> None:
    """Open resolvers can be abused for amplification attacks."""
    (reply,) = query(client, nameserver, "+recurse deb.debian.org A")
    assert (reply.status, reply.answer) == ("REFUSED", ())
    assert "ra" not in reply.flags


def test_zone_transfer_is_refused(client: Box, nameserver: Box, lab: Lab) -> None:
    """A zone transfer would reveal every machine in the network."""
    transfer = client.run(f"dig @{nameserver.address} +tries=1 +time={2 * SLOW} {lab.domain} AXFR").stdout
    assert "Transfer failed" in transfer
    assert not any(address in transfer for address in lab.addresses("backends"))


@pytest.mark.parametrize("name", ["version.bind", "hostname.bind", "id.server", "authors.bind"])
def test_server_identity_is_hidden(client: Box, nameserver: Box, name: str) -> None:
    """A version number helps attackers to find known vulnerabilities."""
    (reply,) = query(client, nameserver, f"{name} CH TXT")
    assert reply.data("TXT") == []


def test_dynamic_updates_are_refused(client: Box, nameserver: Box, lab: Lab) -> None:
    """Zone data comes from the inventory only."""
    update = f"server {nameserver.address}\\nupdate add intruder.{lab.domain} 60 A {client.address}\\nsend\\n"
    refused = client.run("printf '%%b' %s | nsupdate -t 3 2>&1", update)
    assert refused.failed
    assert "REFUSED" in refused.stdout
    assert query(client, nameserver, f"intruder.{lab.domain} A")[0].status == "NXDOMAIN"
