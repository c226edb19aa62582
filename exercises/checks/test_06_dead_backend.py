"""Exercise 6: what the student counted, compared with the logs of the frontends while a backend was down."""

from __future__ import annotations

import pytest

from exercises.evidence import Evidence, Outage, Request
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Lab

ENOUGH_REQUESTS = 20


@pytest.fixture(scope="module")
def outages(evidence: Evidence, lab: Lab) -> dict[str, list[Outage]]:
    """When each backend's port was closed. Its service alone would be started again by the next connection."""
    return lab.everywhere(lambda box: evidence.outages(box, box.units[0]), lab.tier("backends"))


@pytest.fixture(scope="module")
def loop(evidence: Evidence) -> list[Request]:
    """The requests of the student's loop."""
    return evidence.of_client("/perfil", "backend")


def test_prediction(answers: Answers, found: Found) -> None:
    assert found(answers.number("predicted_failed")) >= 0


def test_a_backend_was_down(outages: dict[str, list[Outage]], found: Found) -> None:
    assert any(found({name: len(own) for name, own in outages.items()}).values())


def test_requests_met_the_outage(outages: dict[str, list[Outage]], loop: list[Request], found: Found) -> None:
    during = [one for one in loop if any(outage.has(one) for own in outages.values() for outage in own)]
    assert found(len(during)) >= ENOUGH_REQUESTS


def test_failed(answers: Answers, loop: list[Request], found: Found) -> None:
    assert loop
    assert found(answers.number("failed")) == sum(one.status != 200 for one in loop)


def test_a_request_was_sent_on(answers: Answers, evidence: Evidence, found: Found) -> None:
    request = evidence.request(answers.name("retried_id"))
    assert len(found(request.backends if request else ())) > 1


def test_who_answered(answers: Answers, evidence: Evidence, found: Found) -> None:
    request = evidence.request(answers.name("retried_id"))
    assert found(answers.name("retried_backend")) == (request.backend if request else None)


def test_skip(answers: Answers, lab: Lab, found: Found) -> None:
    seconds = lab.tier("frontends")[0].role("nginx")["nginx_fail_timeout_seconds"]
    assert found(answers.number("skip_seconds")) == seconds


def test_everything_works_again(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
