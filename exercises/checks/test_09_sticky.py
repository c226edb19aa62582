"""Exercise 9: the student's cookies and counts, compared with the key of the frontends and their logs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from exercises.evidence import Evidence, Outage, Request
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Lab

VISITORS = 60


def digest(lab: Lab, backend: str) -> str:
    """The value of the cookie `route` for a backend."""
    key = lab.tier("frontends")[0].role("nginx")["nginx_route_keys"][0]
    return hashlib.sha256(f"{key}:{backend}".encode()).hexdigest()[:16]


def counts(text: str) -> dict[str, int]:
    """`backend1 20, 21 backend2`: numbers by names, in either order."""
    words = re.findall(r"[a-z]+\d+|\d+", text.lower())
    pairs = [sorted(words[place : place + 2], key=str.isdigit) for place in range(0, len(words), 2)]
    assert all(len(pair) == 2 and pair[1].isdigit() and not pair[0].isdigit() for pair in pairs), text
    return {name: int(number) for name, number in pairs}


@pytest.fixture(scope="module")
def visits(evidence: Evidence) -> list[Request]:
    """The requests of the visitor who keeps cookies."""
    return evidence.of_client("/perfil", "sticky")


@pytest.fixture(scope="module")
def before(answers: Answers) -> str:
    return answers.name("backend_before")


@pytest.fixture(scope="module")
def after(answers: Answers) -> str:
    return answers.name("backend_after")


@pytest.fixture(scope="module")
def outage(evidence: Evidence, lab: Lab, before: str) -> Outage:
    """When the first backend was stopped."""
    assert before in lab.names("backends"), before
    outages = evidence.outages(lab[before], lab[before].units[0])
    assert outages, before
    return outages[-1]


def test_spread(answers: Answers, evidence: Evidence, found: Found) -> None:
    said = found(counts(answers.text("spread")))
    logged = Counter(one.backend for one in evidence.of_client("/status", "visitor"))
    assert sum(logged.values()) >= VISITORS
    assert said == dict(logged)


def test_one_backend_answered(visits: list[Request], before: str, outage: Outage, lab: Lab, found: Found) -> None:
    early = [one for one in visits if one.time < outage.stopped]
    assert set(found(Counter(one.backend for one in early))) == {before}
    assert {one.frontend for one in early} == set(lab.names("frontends"))


def test_first_cookie(answers: Answers, lab: Lab, before: str, found: Found) -> None:
    assert found(answers.name("route_before")) == digest(lab, before)


def test_another_backend_took_over(visits: list[Request], after: str, outage: Outage, found: Found) -> None:
    during = Counter(one.backend for one in visits if outage.has(one))
    assert set(found(during)) == {after}


def test_second_cookie(answers: Answers, lab: Lab, after: str, found: Found) -> None:
    assert found(answers.name("route_after")) == digest(lab, after)
    assert answers.name("route_after") != answers.name("route_before")


def test_the_session_survived(answers: Answers, visits: list[Request], outage: Outage, found: Found) -> None:
    said = found(answers.yes("still_logged_in"))
    during = [one.status for one in visits if outage.has(one)]
    assert during
    assert said is (set(during) == {200})


def test_nobody_returns(
    answers: Answers, visits: list[Request], after: str, outage: Outage, before: str, found: Found
) -> None:
    said = found(answers.yes("returns_home"))
    later = {one.backend for one in visits if one.began > outage.started}
    assert later == {after}
    assert said is (before in later)


def test_everything_is_restored(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
