"""Who reaches whom: a port that is open to some machines answers those, and is silent to all others."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW

ANSWERED, SILENCE = 0, 124
"""Of a connection attempt under `timeout`: made; dropped on the way. 1 would be a refusal, which is an answer too."""

SILENCE_AFTER_SECONDS = 1.5 * SLOW

Door = tuple[str, int]
"""Address and guarded port."""


def guarded(lab: Lab) -> dict[Door, list[str]]:
    """Every TCP port that only some may reach, and their addresses."""
    return {
        (box.address, int(port)): list(rule["from"])
        for box in lab
        for rule in box.vars["nftables_rules"]
        for port in rule["ports"]
        if rule["proto"] == "tcp" and "anyone" not in rule["from"]
    }


@pytest.fixture(scope="module")
def reached(lab: Lab) -> dict[str, dict[Door, int]]:
    """The outcome of knocking at every guarded port, from every machine, all at once."""
    knock = f"timeout {SILENCE_AFTER_SECONDS} bash -c '</dev/tcp/%s/%s' 2>/dev/null; echo %s %s $?"
    knocks = " ".join(f"({knock % (door * 2)}) &" for door in guarded(lab))
    printed = lab.everywhere(lambda box: box.output(f"{knocks} wait"))
    return {
        name: {(address, int(port)): int(outcome) for address, port, outcome in map(str.split, text.splitlines())}
        for name, text in printed.items()
    }


def test_every_door_of_the_inventory_is_known(lab: Lab) -> None:
    """Redis, MySQL and the backends are not for everybody; with an empty table the tests below would say nothing."""
    doors = {address for address, _ in guarded(lab)}
    assert doors == {box.address for group in ("redis", "mysql", "backends") for box in lab.tier(group)}


def test_it_reaches_what_it_may(any_machine: Box, lab: Lab, reached: dict[str, dict[Door, int]]) -> None:
    """A firewall that drops everything would pass the next test. A machine always reaches itself."""
    mine = reached[any_machine.name]
    allowed = {
        door: ANSWERED
        for door, sources in guarded(lab).items()
        if any_machine.address in sources or any_machine.address == door[0]
    }
    assert {door: mine[door] for door in allowed} == allowed


def test_it_gets_no_answer_from_what_it_may_not(
    any_machine: Box, lab: Lab, reached: dict[str, dict[Door, int]]
) -> None:
    """A frontend or a user's computer cannot even try a password of Redis or MySQL, nor pass by nginx to a backend."""
    mine = reached[any_machine.name]
    forbidden = {
        door: SILENCE
        for door, sources in guarded(lab).items()
        if any_machine.address not in sources and any_machine.address != door[0]
    }
    assert {door: mine[door] for door in forbidden} == forbidden


def test_the_site_is_open_to_everybody(any_machine: Box, lab: Lab) -> None:
    """Web and DNS are what the system is for."""
    doors = [(address, lab.site_port) for address in lab.www_addresses]
    doors += [(box.address, box.vars["bind_port"]) for box in lab.tier("dns")]
    for address, port in doors:
        knock = f"timeout {2 * SLOW} bash -c '</dev/tcp/{address}/{port}'"
        assert any_machine.run(knock).rc == ANSWERED, (address, port)
