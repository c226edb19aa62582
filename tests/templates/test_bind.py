"""The zones match the inventory."""

from __future__ import annotations

import dns.reversename
import dns.zone
import pytest
from zone_serial import zone_serial

from tests.templates.rendered import VARIANTS, files, inventory, machines, text


def records(zone: dns.zone.Zone, name: str, kind: str = "A") -> list[str]:
    """The zone's records for an absolute name."""
    return [record.to_text() for record in zone.get_rdataset(name, kind) or []]


def zones(variant: str = "lab", **found: object) -> list[dns.zone.Zone]:
    """The forward and reverse zones, parsed by dnspython."""
    written = files(machines("bind", variant)[0], "bind", **found)
    return [dns.zone.from_text(file.text, relativize=False) for file in written if file.src == "zone.j2"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_www_resolves_to_every_frontend(variant: str) -> None:
    """BIND rotates these records (round robin)."""
    forward, *_ = zones(variant)
    lab = inventory(variant)
    www = f"{lab.machine('dns1').vars['site_name']}."
    assert records(forward, www) == [frontend.address for frontend in lab.hosts("frontends")]


def test_the_ttl_is_five_seconds() -> None:
    """Clients stop using a frontend within five seconds of its removal from the zone."""
    forward, *_ = zones()
    assert {ttl for _, ttl, _ in forward.iterate_rdatas("A")} == {5}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_machine_has_forward_and_reverse_records(variant: str) -> None:
    """Logs contain addresses; administrators look for names."""
    forward, reverse = zones(variant)
    for machine in inventory(variant).hosts():
        name = f"{machine.name}.{machine.vars['lab_domain']}."
        assert records(forward, name) == [machine.address]
        assert records(reverse, dns.reversename.from_address(machine.address).to_text(), "PTR") == [name]


def test_the_serial_grows_only_with_the_content() -> None:
    """A needless new serial is a change in every run; an unchanged one hides a change from other servers."""
    rendered = text("bind", "zone.j2")
    old = rendered.replace("1 ; serial", "41 ; serial")
    assert zone_serial(rendered, old) == "41"
    assert int(zone_serial(rendered, old.replace("0.22", "0.99"))) > 41
    assert int(zone_serial(rendered, "")) > 41


def test_the_serial_grows_after_a_wrong_clock() -> None:
    """A serial from the future still has to grow: other servers would consider a smaller one older."""
    rendered = text("bind", "zone.j2")
    future = rendered.replace("1 ; serial", "4000000000 ; serial")
    assert zone_serial(rendered.replace("0.22", "0.99"), future) == "4000000001"


def test_recursion_and_transfers_are_refused() -> None:
    """Open resolvers are abused for attacks; a zone transfer reveals every machine."""
    config = text("bind", "named.conf.j2")
    assert "recursion no;" in config
    assert "allow-transfer { none; };" in config
