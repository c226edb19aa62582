"""Exercise 11, done and done wrong; on inventory/ha."""

from __future__ import annotations

import json
import time

import pytest

from drills.fault import primary
from exercises.state import differences
from lab.inventory import ROOT
from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

MACHINES = ["redis1", "mysql1", "frontend1"]


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Student:
    """Runs the drills of the page, shorter than by hand."""
    one = begin(11)
    one.here(f"{one.block(0).strip()} ARGS='--before=3 --after=4 --seed=1'")
    newest = max((ROOT / ".lab" / "drills").glob("*/summary.json"), key=lambda path: path.stat().st_mtime)
    results = json.loads(newest.read_text(encoding="utf-8"))
    wait_until(lambda: not differences(lab), "all machines have recovered", 60)
    one.answers = {
        "machines": ", ".join(MACHINES),
        "failed": str(sum(result["failed"] for result in results)),
        "longest_gap": f"{max(result['gap_seconds'] for result in results):.1f} s",
        "primary": primary(lab.tier("redis")).name,
        "logged_out": "0",
    }
    return one


def test_the_solution_passes(student: Student) -> None:
    student.passes()


def test_wrong_answers_are_caught(student: Student, lab: Lab) -> None:
    """A machine that was never off, and a replica that was the primary."""
    replica = next(name for name in lab.names("redis") if name != student.answers["primary"])
    wrong = {"machines": "redis2, mysql1, frontend1", "primary": replica, "failed": "12"}
    assert student.misses(wrong) == {"test_machines", "test_primary", "test_failed"}


def test_answers_without_drills_are_caught(student: Student) -> None:
    """The results of the drills have the time at which they began."""
    missed = student.misses(since=time.time())
    assert {"test_three_tiers", "test_they_were_really_off", "test_failed", "test_logged_out"} <= missed
