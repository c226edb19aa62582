"""Exercise 2, done and done wrong."""

from __future__ import annotations

import re
import time

import pytest

from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

TRIES = 6
LINE = re.compile(r"^\d\d:\d\d:\d\d  (\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Student:
    """Changes the zone twice, with `make watch` running in between, and restores it."""
    one = begin(2)
    old = lab.addresses("frontends")[0]
    set_ttl, watch, remove, restore = (one.block(number) for number in (1, 2, 3, 4))
    one.on("dns1", set_ttl)
    for _ in range(TRIES):
        with one.running(watch, "TTL") as printed:
            if LINE.findall(printed())[0] != old:
                continue
            dig = one.on("dns1", f"{set_ttl.splitlines()[0]}\n{remove}")
            changed = time.monotonic()
            wait_until(lambda: LINE.findall(printed())[-1] != old, "make watch uses another address", 40)
            lived = time.monotonic() - changed
            wait_until(lambda: LINE.findall(printed())[-2] != old, "and again", 10)
            break
    else:
        pytest.fail(f"make watch never used {old}")
    one.answers = {
        "removed_address": old,
        "dig_addresses": str(len(re.findall(r"\sA\s", dig))),
        "old_seconds": f"{lived:.0f}",
        "longest_seconds": "30 s",
        "browser_seconds": "60",
    }
    assert one.misses() == {"test_the_zone_is_restored"}
    one.here(restore)
    return one


def test_the_solution_passes(student: Student) -> None:
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"old_seconds": "0"}, {"test_old_address_lived_on"}),
        ({"longest_seconds": "5"}, {"test_longest"}),
        ({"dig_addresses": "3"}, {"test_dig_was_right_at_once"}),
        ({"browser_seconds": "30"}, {"test_browser"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """`old_seconds: 0` is what a student writes who believes that DNS changes at once."""
    if "old_seconds" in answers and float(student.answers["old_seconds"]) <= 6:
        pytest.skip("the answer in the cache was about to expire when the zone changed")
    assert student.misses(answers) == missed


def test_another_address_is_caught(student: Student, lab: Lab) -> None:
    """It never stopped getting requests, or not when the student says."""
    missed = student.misses({"removed_address": lab.addresses("frontends")[1]})
    assert missed & {"test_removed_address", "test_old_address_lived_on"}
    assert "test_removed_address" in student.misses({"removed_address": "172.20.0.99"})


def test_answers_without_a_change_are_caught(student: Student) -> None:
    """The journal of BIND tells when it loaded the zone."""
    missed = student.misses(since=time.time())
    assert {"test_the_zone_was_changed", "test_old_address_lived_on"} <= missed
