"""Exercise 7: the waits that the student measured, compared with the logs of the frontends."""

from __future__ import annotations

import pytest

from exercises.evidence import Evidence, Request
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Lab

SLOW_SHARE = 0.9
"""Of the deadline: a request that took this long has met it."""
TOLERANCE_SECONDS = 0.3


@pytest.fixture(scope="module")
def loop(evidence: Evidence) -> list[Request]:
    """The requests of the student's loops."""
    return evidence.of_client("/perfil", "silence")


@pytest.fixture(scope="module")
def refused(loop: list[Request]) -> list[Request]:
    return [one for one in loop if one.status == 503]


@pytest.fixture(scope="module")
def deadline(lab: Lab) -> float:
    return float(lab.tier("frontends")[0].role("nginx")["nginx_read_timeout_seconds"])


@pytest.fixture(scope="module")
def slow(answers: Answers, loop: list[Request]) -> Request | None:
    slow_id = answers.name("slow_id")
    return next((one for one in loop if one.request_id == slow_id), None)


def test_a_slow_request(slow: Request | None, deadline: float, found: Found) -> None:
    assert found(slow.seconds if slow else 0) >= SLOW_SHARE * deadline


def test_slow_seconds(answers: Answers, slow: Request | None, found: Found) -> None:
    seconds = found(answers.number("slow_seconds"))
    assert slow
    assert seconds == pytest.approx(slow.seconds, abs=TOLERANCE_SECONDS)


def test_slow_backends(answers: Answers, slow: Request | None, lab: Lab, found: Found) -> None:
    names = {box.address: box.name for box in lab.tier("backends")}
    said = [names.get(word.partition(":")[0], word) for word in answers.words("slow_backends")]
    assert tuple(found(said)) == (slow.backends if slow else None)
    assert len(said) > 1


def test_deadline(answers: Answers, deadline: float, found: Found) -> None:
    assert found(answers.number("deadline_seconds")) == deadline


def test_redis_status(answers: Answers, refused: list[Request], found: Found) -> None:
    assert found(answers.number("redis_status")) == 503
    assert refused


def test_redis_seconds(answers: Answers, refused: list[Request], found: Found) -> None:
    seconds = found(answers.number("redis_seconds"))
    assert refused
    assert seconds == pytest.approx(max(one.seconds for one in refused), abs=TOLERANCE_SECONDS)


def test_nobody_was_logged_out(answers: Answers, loop: list[Request], refused: list[Request], found: Found) -> None:
    said = found(answers.yes("still_logged_in"))
    assert refused
    assert any(one.status == 200 for one in loop if one.time >= refused[-1].time)
    assert said


def test_everything_answers_again(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
