"""Exercise 11: the student's answers, compared with the results of the drills and the machines' own roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drills.fault import primary
from exercises.evidence import Evidence
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.inventory import ROOT
from lab.machines import Lab

TIERS = 3
TOLERANCE_SECONDS = 0.2


@pytest.fixture(scope="module")
def drills(evidence: Evidence) -> list[dict[str, Any]]:
    """The results of the drills since the exercise was begun in which a machine lost its power."""
    summaries = (ROOT / ".lab" / "drills").glob("*/summary.json")
    results = [one for path in summaries for one in json.loads(path.read_text(encoding="utf-8"))]
    return [one for one in results if one["kind"].endswith("-power") and one["phases"]["started"] >= evidence.since]


@pytest.fixture(scope="module")
def machines(drills: list[dict[str, Any]]) -> set[str]:
    return {one["name"].removesuffix("-power") for one in drills}


def test_three_tiers(machines: set[str], lab: Lab, found: Found) -> None:
    assert len({tuple(lab[name].tiers) for name in found(machines)}) >= TIERS


def test_machines(answers: Answers, machines: set[str], found: Found) -> None:
    assert set(found(answers.words("machines"))) == machines


def test_they_were_really_off(machines: set[str], evidence: Evidence, lab: Lab, found: Found) -> None:
    started = lab.everywhere(evidence.up_since, [lab[name] for name in machines])
    assert started
    assert found([name for name, at in started.items() if at < evidence.since]) == []


def test_failed(answers: Answers, drills: list[dict[str, Any]], found: Found) -> None:
    assert drills
    assert found(answers.number("failed")) == sum(one["failed"] for one in drills)


def test_longest_gap(answers: Answers, drills: list[dict[str, Any]], found: Found) -> None:
    seconds = found(answers.number("longest_gap"))
    assert drills
    assert seconds == pytest.approx(max(one["gap_seconds"] for one in drills), abs=TOLERANCE_SECONDS)


def test_primary(answers: Answers, lab: Lab, found: Found) -> None:
    assert found(answers.name("primary")) == primary(lab.tier("redis")).name


def test_logged_out(answers: Answers, drills: list[dict[str, Any]], found: Found) -> None:
    assert drills
    assert found(answers.number("logged_out")) == sum(one["lost"] for one in drills)


def test_everything_works_again(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
