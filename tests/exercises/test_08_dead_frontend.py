"""Exercise 8, done and done wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from exercises.state import differences
from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Stops nginx, then cuts the power of the machine, and measures both."""
    one = begin(8)
    stop, refused, start, silent, on = (one.block(number) for number in range(5))
    restart, _, off = start.splitlines()
    dig, loop = refused.splitlines()
    frontend = lab["frontend1"]
    try:
        one.here(stop)
        addresses = one.on("client", dig).split()
        first = rows(one.on("client", loop))
        one.here(restart)
        frontend.disconnect()
        one.here(typed(off))
        second = rows(one.on("client", silent))
    finally:
        one.here(typed(on.splitlines()[0]))
        wait_until(lambda: not frontend.problem() and not differences(lab), "frontend1 is back", 60)
    one.answers = {
        "addresses_during": str(len(addresses)),
        "refused_failed": str(sum(row[0] != "200" for row in first)),
        "refused_seconds": max(row[1] for row in first),
        "silent_seconds": max((row[1] for row in second), key=float),
        "who_retries": "client",
    }
    yield one
    lab["client"].run("rm -f refused.txt silent.txt")


def typed(command: str) -> str:
    """The command with the Python of the tests, which need not be that of .venv."""
    return command.replace("python ", f"{sys.executable} ", 1)


def rows(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_the_solution_passes(student: Student) -> None:
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"addresses_during": "2"}, {"test_dns_did_not_notice"}),
        ({"refused_failed": "10"}, {"test_nothing_failed"}),
        ({"refused_seconds": "3"}, {"test_a_refusal_is_fast"}),
        ({"silent_seconds": "0.01"}, {"test_silence_is_slow"}),
        ({"who_retries": "dns"}, {"test_who_retries"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """A dead frontend leaves DNS, many believe, and so a third of the requests fails."""
    assert student.misses(answers) == missed


def test_a_loop_without_an_outage_is_caught(student: Student, lab: Lab) -> None:
    """All three frontends have answered it."""
    client, (_, loop) = lab["client"], student.block(1).splitlines()
    client.output("cp refused.txt kept.txt")
    try:
        student.on("client", loop)
        assert "test_others_took_over" in student.misses()
    finally:
        client.output("mv kept.txt refused.txt")


def test_answers_without_an_outage_are_caught(student: Student) -> None:
    """Neither nginx nor the machine was down since the exercise was begun, and the files are older."""
    missed = student.misses(since=time.time() + 2)
    assert {"test_nginx_was_stopped", "test_the_power_was_cut", "test_nothing_failed", "test_silence_is_slow"} <= missed
