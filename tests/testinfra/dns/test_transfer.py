"""The secondaries have the primary's zones, and serve them without it."""

from __future__ import annotations

from functools import partial

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW, wait_until


@pytest.fixture
def primary(lab: Lab) -> Box:
    return lab[str(lab.tier("dns")[0].vars["bind_primary"])]


@pytest.fixture
def secondaries(lab: Lab, primary: Box) -> list[Box]:
    found = [box for box in lab.tier("dns") if box != primary]
    if not found:
        pytest.skip("the inventory has one name server")
    return found


def serves_www(client: Box, nameserver: Box, lab: Lab) -> bool:
    found = client.run(f"dig @{nameserver.address} +short +tries=1 +time={2 * SLOW} {lab.site_name} A")
    return set(found.stdout.split()) == set(lab.www_addresses)


def test_only_the_primary_has_zone_files(nameserver: Box, primary: Box) -> None:
    """A zone that is written twice can differ."""
    files = [zone["file"] for zone in nameserver.role("bind")["__bind_zones"]]
    there = [file for file in files if nameserver.run("test -e %s", file).succeeded]
    assert there == (files if nameserver == primary else [])


def test_name_servers_refuse_each_other_transfers_without_the_key(nameserver: Box, lab: Lab) -> None:
    """An address is no proof: other programs run on a name server too."""
    for other in lab.tier("dns"):
        transfer = nameserver.run(f"dig @{other.address} +tries=1 +time={2 * SLOW} {lab.domain} AXFR").stdout
        assert "Transfer failed" in transfer


def test_only_named_can_read_the_key(nameserver: Box, lab: Lab) -> None:
    """Whoever has the key can copy the zones."""
    shown = nameserver.run("cat /etc/bind/transfer.key")
    assert shown.failed
    assert ("Permission denied" in shown.stderr) == (len(lab.tier("dns")) > 1)


@pytest.mark.disruptive
def test_secondaries_answer_without_the_primary_also_after_a_restart(
    client: Box, primary: Box, secondaries: list[Box], lab: Lab
) -> None:
    """The addresses of the site do not depend on one machine."""
    with primary.stopped(*primary.units):
        for secondary in secondaries:
            assert serves_www(client, secondary, lab)
            secondary.root_output("systemctl kill --signal=KILL %s", secondary.service)
            wait_until(partial(serves_www, client, secondary, lab), f"{secondary.name} serves its copy")


@pytest.mark.disruptive
@pytest.mark.usefixtures("secondaries")
def test_names_are_resolved_without_the_primary(client: Box, primary: Box, lab: Lab) -> None:
    """Computers ask the next name server when one does not answer."""
    with primary.stopped(*primary.units):
        found = client.output("getent ahostsv4 %s", lab.site_name)
    assert {line.split()[0] for line in found.splitlines()} == set(lab.www_addresses)
