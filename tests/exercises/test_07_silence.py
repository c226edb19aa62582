"""Exercise 7, done and done wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Freezes a backend, then Redis, and measures the waits."""
    one = begin(7)
    login, freeze, loop, change, refused, again = (one.block(number) for number in range(6))
    _, resume, freeze_redis = change.splitlines()
    resume_redis, profile = again.splitlines()
    one.on("client", login)
    one.here(freeze)
    rows = [line.split() for line in one.on("client", loop).splitlines()]
    slow = max(rows, key=lambda row: float(row[1]))
    one.here(resume)
    one.here(freeze_redis)
    refusals = re.findall(r" (\d{3}) ([\d.]+)$", one.on("client", refused), re.MULTILINE)
    one.here(resume_redis)
    wait_until(lambda: '"ana"' in one.here(profile), "the same cookie is valid again")
    one.answers = {
        "slow_id": slow[3],
        "slow_seconds": f"{float(slow[1]):.1f}".replace(".", ","),
        "slow_backends": f"backend3, {slow[2]}",
        "deadline_seconds": "5",
        "redis_status": refusals[0][0],
        "redis_seconds": max(seconds for _, seconds in refusals),
        "still_logged_in": "sim",
    }
    yield one
    lab["client"].run("rm -f jar")


def test_the_solution_passes(student: Student) -> None:
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"slow_seconds": "0.01"}, {"test_slow_seconds"}),
        ({"slow_backends": "backend1"}, {"test_slow_backends"}),
        ({"deadline_seconds": "15"}, {"test_deadline"}),
        ({"redis_status": "401", "still_logged_in": "no"}, {"test_redis_status", "test_nobody_was_logged_out"}),
        ({"redis_seconds": "5"}, {"test_redis_seconds"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """Some take the name in X-Backend for all backends that were asked, and a refusal for a logout."""
    assert student.misses(answers) == missed


def test_a_fast_request_is_caught(student: Student) -> None:
    """It has not met the frozen backend: a backend that was stopped instead refuses at once."""
    fast = [one for one in student.evidence.of_client("/perfil", "silence") if one.status == 200 and one.seconds < 1]
    changes = {"slow_id": fast[0].request_id, "slow_seconds": "0.01", "slow_backends": fast[0].backend}
    assert student.misses(changes) == {"test_a_slow_request", "test_slow_backends"}


def test_a_frozen_backend_is_caught(student: Student, lab: Lab) -> None:
    """Its unit is active, and its machine looks healthy."""
    backend = lab.tier("backends")[2]
    with backend.frozen(backend.service):
        assert student.misses() == {"test_everything_answers_again"}


def test_answers_without_measuring_are_caught(student: Student) -> None:
    """No log has such requests since the exercise was begun."""
    missed = student.misses(since=time.time())
    assert {"test_a_slow_request", "test_redis_status", "test_nobody_was_logged_out"} <= missed
