"""Exercise 4: the student's request, looked up in the logs of the frontends and backends."""

from __future__ import annotations

from typing import Any

import pytest

from exercises.evidence import Evidence, Request
from exercises.judge import Found
from exercises.sheet import Answers
from lab.machines import Lab
from lab.watch import get

NONE = {"none", "nenhum", "no", "nothing", "nada", "-"}


@pytest.fixture(scope="module")
def request_id(answers: Answers) -> str:
    return answers.name("request_id")


@pytest.fixture(scope="module")
def logged(evidence: Evidence, request_id: str) -> Request:
    """The request in the log of a frontend."""
    found = evidence.request(request_id)
    assert found, request_id
    return found


@pytest.fixture(scope="module")
def lines(evidence: Evidence, lab: Lab, request_id: str) -> dict[str, dict[str, Any]]:
    """The request in the logs of the backends, by their names."""
    logs = lab.everywhere(lambda box: evidence.app_lines(box, request_id), lab.tier("backends"))
    return {name: log[-1] for name, log in logs.items() if log}


def test_pairs(answers: Answers, evidence: Evidence, lab: Lab, found: Found) -> None:
    pairs = {(one.frontend, one.backend) for one in evidence.of_client(agent="proxy") if one.backend}
    found(len(pairs))
    assert len(pairs) == len(lab.tier("frontends")) * len(lab.tier("backends"))
    assert found(answers.number("pairs")) == len(pairs)


def test_the_frontend_logged_it(answers: Answers, logged: Request, lab: Lab, found: Found) -> None:
    found((logged.path, logged.client))
    assert logged.path == "/perfil"
    assert logged.client in lab.addresses("clients")
    assert found(answers.name("frontend")) == logged.frontend


def test_the_backend_logged_it(answers: Answers, lines: dict[str, dict[str, Any]], found: Found) -> None:
    assert {found(answers.name("backend"))} == set(lines)


def test_upstream(answers: Answers, logged: Request, lab: Lab, found: Found) -> None:
    backend = lab[logged.backend]
    assert found(answers.text("upstream")) == f"{backend.address}:{backend.role('app')['app_port']}"


def test_logged_client(answers: Answers, lines: dict[str, dict[str, Any]], found: Found) -> None:
    assert {found(answers.text("logged_client"))} == {line["client"] for line in lines.values()}


def test_static_pages_need_no_backend(answers: Answers, lab: Lab, found: Found) -> None:
    page = get(lab.www_addresses[0], lab.site_port, lab.site_name, "/")
    assert (page.status, page.backend) == (200, "")
    assert found(answers.name("static_backend")) in NONE
