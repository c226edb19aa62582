"""Exercise 2: the answers, compared with when BIND loaded the zone and who got the requests of `make watch`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from exercises.evidence import Evidence, Request
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Lab
from lab.watch import AGENT

TTL_SECONDS = 30
"""What the text has the student set."""
TOLERANCE_SECONDS = 5
CHROMIUM_SECONDS = range(50, 71)


def lives(loads: Sequence[float], requests: Sequence[Request], frontend: str) -> list[float]:
    """How long a frontend still got requests after a load of the zone, for each load after which it then got none."""
    found = []
    for load, following in pairwise([*loads, float("inf")]):
        during = [one for one in requests if load < one.time < following]
        old = [one.time for one in during if one.frontend == frontend]
        others = [one.time for one in during if one.frontend != frontend]
        if old and others and max(old) < max(others):
            found.append(max(old) - load)
    return found


@pytest.fixture(scope="module")
def loads(evidence: Evidence, lab: Lab) -> list[float]:
    """When BIND loaded the zone since the exercise was begun, in seconds since 1970."""
    box = lab.tier("dns")[0]
    command = "journalctl --quiet --unit=named --output=json --since=@%s --grep=%s"
    loaded = f"zone {lab.domain}/IN: loaded serial"
    lines = box.root(command, str(int(evidence.since)), loaded).stdout.splitlines()
    return [int(json.loads(line)["__REALTIME_TIMESTAMP"]) / 1e6 for line in lines]


@pytest.fixture(scope="module")
def removed(answers: Answers, lab: Lab) -> str:
    """The frontend with the removed address."""
    address = answers.text("removed_address")
    return next((box.name for box in lab.tier("frontends") if box.address == address), "")


@pytest.fixture(scope="module")
def measured(loads: list[float], evidence: Evidence, removed: str) -> list[float]:
    return lives(loads, [one for one in evidence.requests if one.agent == AGENT], removed)


def test_the_zone_was_changed(loads: list[float], found: Found) -> None:
    assert found(len(loads)) >= 2


def test_removed_address(answers: Answers, removed: str, measured: list[float], found: Found) -> None:
    found(answers.text("removed_address"))
    assert removed
    assert measured


def test_dig_was_right_at_once(answers: Answers, lab: Lab, found: Found) -> None:
    assert found(answers.number("dig_addresses")) == len(lab.www_addresses) - 1


def test_old_address_lived_on(answers: Answers, measured: list[float], found: Found) -> None:
    seconds = found(answers.number("old_seconds"))
    assert any(abs(seconds - life) <= TOLERANCE_SECONDS for life in measured)


def test_longest(answers: Answers, measured: list[float], found: Found) -> None:
    assert found(answers.number("longest_seconds")) == TTL_SECONDS
    assert all(life <= TTL_SECONDS + TOLERANCE_SECONDS for life in measured)


def test_browser(answers: Answers, found: Found) -> None:
    assert found(answers.number("browser_seconds")) in CHROMIUM_SECONDS


def test_the_zone_is_restored(lab: Lab, found: Found) -> None:
    assert found([problem for name, problem in differences(lab).items() if name in lab.names("dns")]) == []
