"""Which frontend holds which address."""

from __future__ import annotations

import re

import pytest

from lab.inventory import Machine
from tests.templates.rendered import files, inventory

MEMBERS = [f"192.0.2.{last}" for last in range(50, 60)]


def config(machine: Machine, **found: object) -> str:
    return files(machine, "keepalived", "keepalived.conf.j2", **found)[0].text


def priorities(text: str) -> dict[str, int]:
    """The priority of this machine for each floating address."""
    found = re.findall(r"vrrp_instance (\S+) {.*?priority (\d+)", text, re.DOTALL)
    return {address: int(priority) for address, priority in found}


@pytest.fixture(scope="module")
def lab() -> list[dict[str, int]]:
    return [priorities(config(machine)) for machine in inventory("ha").hosts("frontends")]


def test_each_address_is_at_home_on_one_frontend(lab: list[dict[str, int]]) -> None:
    """In normal operation, each frontend serves a share of the users."""
    addresses = inventory("ha").machine("frontend1").vars["www_floating_addresses"]
    assert [max(own, key=lambda address: own[address]) for own in lab] == addresses
    assert [list(own) for own in lab] == [addresses] * len(lab)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10])
def test_everybody_agrees_on_who_comes_next(size: int) -> None:
    """Two machines with the same priority would both hold the address. Neighbors share what a machine leaves."""
    members, floating = MEMBERS[:size], ["192.0.2.20", "192.0.2.21", "192.0.2.22"]
    frontend = inventory("ha").machine("frontend1")
    common = {"keepalived_members": members, "keepalived_floating_addresses": floating}
    found = [priorities(config(frontend, keepalived_address=member, **common)) for member in members]
    for number, address in enumerate(floating):
        order = sorted(members, key=lambda member: -found[members.index(member)][address])
        home = number % size
        assert order == members[home:] + members[:home]
        assert len({own[address] for own in found}) == size
        assert all(0 < own[address] < 255 for own in found)  # 255 would never give it up


def test_frontends_speak_to_each_other_only() -> None:
    """Multicast would reach every machine, and not every network carries it."""
    frontends = inventory("ha").hosts("frontends")
    for own in frontends:
        text = config(own)
        assert {*re.findall(r"unicast_src_ip (\S+)", text)} == {own.address}
        for block in re.findall(r"unicast_peer {(.*?)}", text, re.DOTALL):
            assert block.split() == [one.address for one in frontends if one != own]


def test_it_can_count_fractions_of_a_second() -> None:
    """VRRP version 2 would silently use whole seconds."""
    text = config(inventory("ha").machine("frontend1"))
    assert "vrrp_version 3" in text
    assert {*re.findall(r"advert_int (\S+)", text)} == {"0.2"}
    assert "auth_pass" not in text  # not a part of version 3


def test_the_check_has_no_rights() -> None:
    """It reads what nginx answers."""
    text = config(inventory("ha").machine("frontend1"))
    assert "enable_script_security" in text
    assert "script_user nobody nogroup" in text


def test_nginx_listens_on_addresses_that_another_frontend_holds() -> None:
    """An address that moves here is served at once, without a reload."""
    for frontend in inventory("ha").hosts("frontends"):
        conf = files(frontend, "nginx", "nginx.conf.j2")[0].text
        floating = frontend.vars["www_floating_addresses"]
        assert re.findall(r"listen (\S+):80 ", conf) == [frontend.address, *floating]
