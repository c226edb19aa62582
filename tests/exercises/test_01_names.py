"""Exercise 1, done and done wrong."""

from __future__ import annotations

import re
import time

import pytest

from tests.exercises.conftest import Begin
from tests.exercises.student import Student


@pytest.fixture(scope="module")
def student(begin: Begin) -> Student:
    """Types the commands, and reads the answers in what they print."""
    one = begin(1)
    printed = one.on("client", one.block(1))
    answer = re.findall(r"^www\S+\s+(\d+)\s+IN\s+A\s+(\S+)$", printed, re.MULTILINE)
    flags = re.search(r"flags: ([a-z ]+);", printed)
    soa = re.search(r"SOA\s+\S+ \S+ (\d+)", printed)
    statuses = re.findall(r"status: (\w+)", printed)
    assert flags
    assert soa
    one.answers = {
        "addresses": ", ".join(address for _, address in answer),
        "ttl_seconds": answer[0][0],
        "authority_flag": next(flag for flag in flags[1].split() if flag not in ("qr", "rd")),
        "serial": soa[1],
        "reverse_name": next(line for line in printed.splitlines() if line.startswith("frontend")),
        "refused_status": statuses[-1],
    }
    return one


def test_the_solution_passes(student: Student) -> None:
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"authority_flag": "rd"}, "test_authority"),
        ({"refused_status": "NXDOMAIN"}, "test_refused"),
        ({"ttl_seconds": ""}, "test_ttl"),
        ({"serial": "3600"}, "test_serial"),
        ({"addresses": "172.20.0.20"}, "test_addresses"),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: str) -> None:
    """Only the point of that answer is missed."""
    assert student.misses(answers) == {missed}


def test_answers_without_requests_are_caught(student: Student) -> None:
    """The logs tell whether the loop was run."""
    assert student.misses(since=time.time()) == {"test_every_frontend_got_requests"}
