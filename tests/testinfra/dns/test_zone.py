"""The zone as it is on the wire, asked from the client: what it says, and what it refuses to say."""

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
    """One answer of the name server."""

    status: str
    flags: frozenset[str]
    answer: tuple[tuple[str, int, str, str], ...]
    """(name, TTL in seconds, type, data) of each record."""

    def data(self, kind: str) -> list[str]:
        return [data for _, _, type_, data in self.answer if type_ == kind]


def ask(client: Box, nameserver: Box, *questions: str) -> list[Reply]:
    """One reply for each question, in one command."""
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
def turns(client: Box, nameserver: Box, lab: Lab) -> list[Reply]:
    """The same question, again and again."""
    return ask(client, nameserver, *[f"{lab.site_name} A"] * (10 * len(lab.www_addresses)))


def test_www_is_every_frontend(turns: list[Reply], lab: Lab) -> None:
    """No address is left out, and no other is in."""
    assert {frozenset(reply.data("A")) for reply in turns} == {frozenset(lab.www_addresses)}


def test_each_frontend_comes_first_as_often_as_the_others(turns: list[Reply], lab: Lab) -> None:
    """This is the load balancing: most programs take the first address."""
    first = Counter(reply.data("A")[0] for reply in turns)
    share = len(turns) / len(lab.www_addresses)
    assert set(first) == set(lab.www_addresses)
    assert min(first.values()) >= share / 2, first


def test_www_may_be_kept_as_long_as_the_inventory_says(turns: list[Reply], nameserver: Box) -> None:
    """The TTL is how long a user goes on asking a frontend that was taken out."""
    assert {ttl for reply in turns for _, ttl, _, _ in reply.answer} == {nameserver.role("bind")["bind_ttl_seconds"]}


def test_it_answers_with_authority(turns: list[Reply]) -> None:
    """A resolver believes `aa`; without it the zone is not loaded, whatever else the answer says."""
    assert {reply.status for reply in turns} == {"NOERROR"}
    assert all("aa" in reply.flags for reply in turns)


def test_the_zone_names_its_servers(client: Box, nameserver: Box, lab: Lab) -> None:
    """SOA and NS are what another name server goes by."""
    soa, ns = ask(client, nameserver, f"{lab.domain} SOA", f"{lab.domain} NS")
    assert soa.data("SOA")[0].split()[0] == f"{nameserver.vars['bind_primary']}.{lab.domain}."
    assert set(ns.data("NS")) == {f"{name}.{lab.domain}." for name in lab.names("dns")}


def test_every_machine_has_its_name_both_ways(client: Box, nameserver: Box, lab: Lab) -> None:
    """Logs show addresses: the reverse zone turns them into names."""
    forward = ask(client, nameserver, *[f"{box.name}.{lab.domain} A" for box in lab])
    reverse = ask(client, nameserver, *[f"-x {box.address}" for box in lab])
    assert [reply.data("A") for reply in forward] == [[box.address] for box in lab]
    assert [reply.data("PTR") for reply in reverse] == [[f"{box.name}.{lab.domain}."] for box in lab]


def test_the_zones_agree_on_every_server(client: Box, lab: Lab) -> None:
    """Two servers with two serials are two truths."""
    serials = {ask(client, server, f"{lab.domain} SOA")[0].data("SOA")[0].split()[2] for server in lab.tier("dns")}
    assert len(serials) == 1


def test_answers_come_over_tcp_too(client: Box, nameserver: Box, lab: Lab) -> None:
    """A long answer is asked for again over TCP."""
    (reply,) = ask(client, nameserver, f"+tcp {lab.site_name} A")
    assert set(reply.data("A")) == set(lab.www_addresses)


@pytest.mark.parametrize("kind", ["A", "AAAA", "TXT"])
def test_an_unknown_name_does_not_exist(client: Box, nameserver: Box, lab: Lab, kind: str) -> None:
    """No wildcard: a typing error must not end at a frontend."""
    (reply,) = ask(client, nameserver, f"nobody.{lab.domain} {kind}")
    assert (reply.status, reply.answer) == ("NXDOMAIN", ())


def test_a_known_name_without_such_a_record_exists(client: Box, nameserver: Box, lab: Lab) -> None:
    """NXDOMAIN for AAAA would make resolvers forget the A records as well."""
    (reply,) = ask(client, nameserver, f"{lab.site_name} AAAA")
    assert (reply.status, reply.answer) == ("NOERROR", ())


def test_an_unknown_address_has_no_name(client: Box, nameserver: Box, lab: Lab) -> None:
    """The opposite of the reverse records."""
    network = ipaddress.ip_network(f"{nameserver.address}/24", strict=False)
    free = next(str(address) for address in network.hosts() if str(address) not in lab.addresses("all"))
    (reply,) = ask(client, nameserver, f"-x {free}")
    assert (reply.status, reply.answer) == ("NXDOMAIN", ())


def test_it_asks_nobody_on_behalf_of_others(client: Box, nameserver: Box) -> None:
    """An open resolver is a weapon against third parties."""
    (reply,) = ask(client, nameserver, "+recurse deb.debian.org A")
    assert (reply.status, reply.answer) == ("REFUSED", ())
    assert "ra" not in reply.flags


def test_the_whole_zone_is_given_to_nobody(client: Box, nameserver: Box, lab: Lab) -> None:
    """A zone transfer is a map of the network."""
    transfer = client.run(f"dig @{nameserver.address} +tries=1 +time={2 * SLOW} {lab.domain} AXFR").stdout
    assert "Transfer failed" in transfer
    assert not any(address in transfer for address in lab.addresses("backends"))


@pytest.mark.parametrize("name", ["version.bind", "hostname.bind", "id.server", "authors.bind"])
def test_it_does_not_tell_what_it_runs(client: Box, nameserver: Box, name: str) -> None:
    """A version tells which holes to try."""
    (reply,) = ask(client, nameserver, f"{name} CH TXT")
    assert reply.data("TXT") == []


def test_nobody_may_change_it_over_the_network(client: Box, nameserver: Box, lab: Lab) -> None:
    """The inventory alone says what is in the zone."""
    update = f"server {nameserver.address}\\nupdate add intruder.{lab.domain} 60 A {client.address}\\nsend\\n"
    refused = client.run("printf '%%b' %s | nsupdate -t 3 2>&1", update)
    assert refused.failed
    assert "REFUSED" in refused.stdout
    assert ask(client, nameserver, f"intruder.{lab.domain} A")[0].status == "NXDOMAIN"
