"""Exercise 9, done and done wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

MOMENT_SECONDS = 2
"""The logs have whole seconds: what happens around a stop belongs to neither side of it."""


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Switches the mode, stops the backend that answers, starts it again, and restores the mode."""
    one = begin(9)
    switch, first, stop, second, restore = (one.block(number) for number in range(5))
    start, back = restore.splitlines()
    try:
        one.here(switch)
        printed = one.on("client", first)
        backend = re.findall(r"^frontend\d (backend\d) 200$", printed, re.MULTILINE)[-1]
        one.here(stop.replace("backend1", backend))
        time.sleep(MOMENT_SECONDS)
        during = one.on("client", second)
        time.sleep(MOMENT_SECONDS)
        one.here(start.replace("backend1", backend))
        time.sleep(MOMENT_SECONDS)
        later = one.on("client", second)
    finally:
        one.here(back)
    other = re.findall(r"^frontend\d (backend\d) 200$", during, re.MULTILINE)[-1]
    one.answers = {
        "spread": " ".join(re.findall(r"^ *(\d+ backend\d)$", printed, re.MULTILINE)),
        "backend_before": backend,
        "route_before": printed.split()[-1],
        "backend_after": other,
        "route_after": during.split()[-1],
        "still_logged_in": "yes",
        "returns_home": "yes" if f" {backend} " in later else "no",
    }
    yield one
    lab["client"].run("rm -f jar")


def test_the_solution_passes(student: Student) -> None:
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"spread": "backend1 20, backend2 20, backend3 20"}, {"test_spread"}),
        ({"route_after": "0123456789abcdef"}, {"test_second_cookie"}),
        ({"still_logged_in": "no"}, {"test_the_session_survived"}),
        ({"returns_home": "yes"}, {"test_nobody_returns"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """An even spread is what a student writes who has not counted."""
    logged = student.answers["spread"].split()[::2]
    if "spread" in answers and logged == ["20", "20", "20"]:
        pytest.skip("the spread was even, by chance")
    assert student.misses(answers) == missed


def test_swapped_backends_are_caught(student: Student, lab: Lab) -> None:
    """Each cookie belongs to one backend, and the second one was never stopped."""
    before, after = student.answers["backend_before"], student.answers["backend_after"]
    missed = student.misses({"backend_before": after, "backend_after": before})
    assert {"test_first_cookie", "test_second_cookie", "test_one_backend_answered"} <= missed


def test_answers_without_an_outage_are_caught(student: Student) -> None:
    """The journals and the logs have nothing since the exercise was begun."""
    missed = student.misses(since=time.time())
    assert {"test_spread", "test_another_backend_took_over", "test_nobody_returns"} <= missed
