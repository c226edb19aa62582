"""Exercise 10: the statuses that the student saw, compared with those in the logs while Redis and MariaDB were down."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from exercises.evidence import Evidence, Outage, Request
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Lab

PATHS = {"page": "/", "status": "/status", "profile": "/perfil", "login": "/login"}


@pytest.fixture(scope="module")
def requests(evidence: Evidence) -> list[Request]:
    return evidence.of_client(agent="away")


@pytest.fixture(scope="module")
def redis_outages(evidence: Evidence, lab: Lab) -> list[Outage]:
    box = lab.tier("redis")[0]
    return evidence.outages(box, box.service)


@pytest.fixture(scope="module")
def mysql_outages(evidence: Evidence, lab: Lab) -> list[Outage]:
    box = lab.tier("mysql")[0]
    return evidence.outages(box, box.service)


def logged(requests: list[Request], outages: list[Outage]) -> dict[str, int]:
    """The last status of each kind of request during the outages; kinds without requests are left out."""
    during = [one for one in requests if any(outage.has(one) for outage in outages)]
    return {
        kind: [one.status for one in during if one.path == path][-1]
        for kind, path in PATHS.items()
        if any(one.path == path for one in during)
    }


def said(answers: Answers, away: str) -> dict[str, float]:
    """The student's statuses while a service was away, by kind of request."""
    return {kind: answers.number(f"{away}_{kind}") for kind in PATHS}


def agrees(said: Mapping[str, float], statuses: Mapping[str, int]) -> bool:
    return set(statuses) == set(PATHS) and said == statuses


def test_redis_was_stopped(redis_outages: list[Outage], found: Found) -> None:
    assert found(len(redis_outages)) >= 1


def test_redis_away(answers: Answers, requests: list[Request], redis_outages: list[Outage], found: Found) -> None:
    assert agrees(found(said(answers, "redis")), logged(requests, redis_outages))


def test_mysql_was_stopped(mysql_outages: list[Outage], found: Found) -> None:
    assert found(len(mysql_outages)) >= 1


def test_mysql_away(answers: Answers, requests: list[Request], mysql_outages: list[Outage], found: Found) -> None:
    assert agrees(found(said(answers, "mysql")), logged(requests, mysql_outages))


def test_the_session_is_the_same(
    answers: Answers, requests: list[Request], redis_outages: list[Outage], mysql_outages: list[Outage], found: Found
) -> None:
    said = found(answers.yes("same_session"))
    last = max((outage.started for outage in [*redis_outages, *mysql_outages]), default=float("inf"))
    assert any(one.status == 200 for one in requests if one.path == "/perfil" and one.time >= int(last))
    assert said


def test_everything_works_again(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
