"""Exercise 6, done and done wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

REQUESTS, DURING = 80, 40


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Stops a backend during the loop, which is shorter here than on the page, and starts it again."""
    one = begin(6)
    login, loop = one.block(0).splitlines()
    stop, start = one.block(1).splitlines()
    _, grep = one.block(2).splitlines()
    one.on("client", f"{login}; rm -f outage.txt")

    def answered() -> int:
        return len(one.on("client", "cat outage.txt").splitlines())

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(one.on, "client", loop.replace("$(seq 240)", f"$(seq {REQUESTS})"))
        wait_until(lambda: answered() > 3, "the loop has begun")
        one.here(stop)
        count = answered()
        wait_until(lambda: answered() > count + DURING, "requests are answered while the backend is down", 60)
        one.here(start)
        lines = pending.result().splitlines()
    logs = "".join(one.here(f"{grep.replace('frontend1', name)} || true") for name in lab.names("frontends"))
    entries = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
    newest = max((entry for entry in entries if entry["upstream"].count(":") == 2), key=lambda entry: entry["time"])
    second = newest["upstream"].rpartition(", ")[2]
    one.answers = {
        "predicted_failed": "10",
        "failed": str(sum(not line.startswith("200 ") for line in lines)),
        "retried_id": newest["request_id"],
        "retried_backend": next(box.name for box in lab if second.startswith(f"{box.address}:")),
        "skip_seconds": "2 s",
    }
    yield one
    lab["client"].run("rm -f jar outage.txt")


def test_the_solution_passes(student: Student) -> None:
    """And no request has failed."""
    assert student.answers["failed"] == "0"
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"failed": "80"}, {"test_failed"}),
        ({"failed": "", "predicted_failed": ""}, {"test_failed", "test_prediction"}),
        ({"retried_backend": "backend2"}, {"test_who_answered"}),
        ({"retried_id": "no idea"}, {"test_a_request_was_sent_on", "test_who_answered"}),
        ({"skip_seconds": "5"}, {"test_skip"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """A third of the requests fails, many believe, and the backend that refused has answered."""
    assert student.misses(answers) == missed


def test_a_request_that_was_not_sent_on_is_caught(student: Student) -> None:
    """It has one backend only."""
    client = [one for one in student.evidence.of_client() if len(one.backends) == 1]
    assert student.misses({"retried_id": client[-1].request_id, "retried_backend": client[-1].backend}) == {
        "test_a_request_was_sent_on"
    }


def test_a_backend_that_is_still_down_is_caught(student: Student, lab: Lab) -> None:
    """Whoever forgets to start it leaves the next exercise with two backends."""
    backend = lab.tier("backends")[1]
    with backend.stopped(*reversed(backend.units)):
        assert student.misses() == {"test_everything_works_again"}


def test_a_service_without_its_socket_is_not_down(student: Student, lab: Lab) -> None:
    """systemd starts it again with the next connection, and nothing is to be measured."""
    backend = lab.tier("backends")[1]
    since = time.time()
    backend.root_output("systemctl stop %s", backend.service)

    def is_started() -> bool:
        """The frontends may still skip the backend, since the test before stopped it."""
        student.on("client", "for i in $(seq 9); do curl -so /dev/null http://www.meutrabalho.com.br/status; done")
        return backend.is_active(backend.service)

    wait_until(is_started, "a connection has started it again")
    assert "test_a_backend_was_down" in student.misses(since=since)
