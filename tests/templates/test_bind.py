"""The zones say what the inventory says."""

from __future__ import annotations

import re
from base64 import b64encode

import dns.reversename
import dns.zone
import pytest

from tests.templates.rendered import VARIANTS, files, inventory, machines, text


def records(zone: dns.zone.Zone, name: str, kind: str = "A") -> list[str]:
    """What the zone answers for an absolute name."""
    return [record.to_text() for record in zone.get_rdataset(name, kind) or []]


def zones(variant: str = "lab", **found: object) -> list[dns.zone.Zone]:
    """Forward and reverse, as DNS software reads them."""
    written = files(machines("bind", variant)[0], "bind", **found)
    return [dns.zone.from_text(file.text, relativize=False) for file in written if file.src == "zone.j2"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_www_is_every_frontend(variant: str) -> None:
    """The round robin is made of these records."""
    forward, *_ = zones(variant)
    lab = inventory(variant)
    www = f"www.{lab.machine('dns1').vars['lab_domain']}."
    assert records(forward, www) == [frontend.address for frontend in lab.hosts("frontends")]


def test_answers_may_be_kept_for_five_seconds() -> None:
    """A frontend that is taken out of the zone is out of use that soon."""
    forward, *_ = zones()
    assert {ttl for _, ttl, _ in forward.iterate_rdatas("A")} == {5}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_machine_has_its_name_both_ways(variant: str) -> None:
    """Logs show addresses, people know names."""
    forward, reverse = zones(variant)
    for machine in inventory(variant).hosts():
        name = f"{machine.name}.{machine.vars['lab_domain']}."
        assert records(forward, name) == [machine.address]
        assert records(reverse, dns.reversename.from_address(machine.address).to_text(), "PTR") == [name]


@pytest.mark.parametrize(("change", "grows"), [(("", ""), False), (("0.22", "0.99"), True)], ids=["same", "other"])
def test_the_serial_grows_only_with_the_content(change: tuple[str, str], grows: bool) -> None:
    """A new serial for nothing would be a change in every run; an old one hides a change from other servers."""
    (machine,) = machines("bind")
    there = [file.text for file in files(machine, "bind") if file.src == "zone.j2"]
    there = [re.sub(r"\d+ ; serial", "41 ; serial", text.replace(*change)) for text in there]
    zone_list = machine.role("bind").vars["__bind_zones"]
    slurped = [b64encode(text.encode()).decode() for text in there]
    results = [{"item": zone, "content": content} for zone, content in zip(zone_list, slurped, strict=True)]
    forward, *_ = zones(__bind_present={"results": results})
    assert (forward.get_soa().serial > 41) is grows


def test_nobody_is_served_but_for_this_domain() -> None:
    """An open resolver is used for attacks on others, a transfer tells the whole map."""
    config = text("bind", "named.conf.j2")
    assert "recursion no;" in config
    assert "allow-transfer { none; };" in config
