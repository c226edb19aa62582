"""Exercise 4, done and done wrong."""

from __future__ import annotations

import re
import time

import pytest

from lab.machines import Lab
from tests.exercises.conftest import Begin
from tests.exercises.student import Student


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Student:
    """Types the commands, and looks a request up in both logs."""
    one = begin(4)
    loop, perfil, page = one.block(0).splitlines()
    pairs = one.on("client", loop).splitlines()
    headers = {name.lower(): value for name, value in re.findall(r"^(X-[\w-]+): (\S+)", one.on("client", perfil), re.M)}
    request_id, frontend, backend = (headers[f"x-{name}"] for name in ("request-id", "frontend", "backend"))
    in_frontend, in_backend = (
        re.sub(r"HOST=\w+", f"HOST={machine}", re.sub(r"\b[0-9a-f]{32}\b", request_id, command))
        for machine, command in zip((frontend, backend), one.block(1).splitlines(), strict=True)
    )
    upstream = re.search(r'"upstream":"([^"]+)"', one.here(in_frontend))
    client = re.search(r'"client": "([^"]+)"', one.here(in_backend))
    assert upstream
    assert client
    assert "x-backend" not in one.on("client", page).lower()
    one.answers = {
        "pairs": str(len(pairs)),
        "request_id": request_id,
        "frontend": frontend,
        "backend": backend,
        "upstream": upstream[1],
        "logged_client": client[1],
        "static_backend": "none",
    }
    return one


def test_the_solution_passes(student: Student) -> None:
    student.passes()


def test_the_answers_may_be_in_portuguese(student: Student) -> None:
    assert student.misses({"static_backend": "nenhum"}) == set()


def test_wrong_machines_are_caught(student: Student, lab: Lab) -> None:
    """Names that are of other machines, and the frontend's address in place of the user's."""
    other = {
        tier: next(name for name in lab.names(f"{tier}s") if name != student.answers[tier])
        for tier in ("frontend", "backend")
    }
    assert student.misses(other) == {"test_the_frontend_logged_it", "test_the_backend_logged_it"}
    proxy = lab[student.answers["frontend"]].address
    assert student.misses({"logged_client": proxy, "static_backend": "backend1"}) == {
        "test_logged_client",
        "test_static_pages_need_no_backend",
    }


def test_an_invented_id_is_caught(student: Student) -> None:
    """Or one of another request: no log has it."""
    assert student.misses({"request_id": "0123456789abcdef0123456789abcdef"}) == {
        "test_the_frontend_logged_it",
        "test_the_backend_logged_it",
        "test_upstream",
        "test_logged_client",
    }


def test_answers_without_requests_are_caught(student: Student) -> None:
    """They may be another student's."""
    assert "test_pairs" in student.misses(since=time.time())
