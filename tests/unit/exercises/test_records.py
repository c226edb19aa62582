"""What the machines' logs say about requests and outages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from exercises.checks.test_02_caches import lives
from exercises.evidence import STARTED, STOPPED, Evidence, Outage, Request, outages, parse

NEVER = float("inf")


def request(at: float, frontend: str, seconds: float = 0.0) -> Request:
    return Request(at, frontend, "id", "172.20.0.1", "GET", "/status", 200, seconds, ("backend1",), "agent")


def test_a_line_of_the_log_names_the_backends() -> None:
    """In the order in which the frontend asked them; the last one answered."""
    entry = {
        "time": "2026-11-24T12:00:07+00:00",
        "frontend": "frontend1",
        "request_id": "abc",
        "client": "172.20.0.100",
        "method": "GET",
        "uri": "/perfil",
        "status": 200,
        "seconds": 5.003,
        "upstream": "172.20.0.11:8000, 172.20.0.10:8000",
        "agent": "curl",
    }
    names = {"172.20.0.10:8000": "backend1", "172.20.0.11:8000": "backend2"}
    found = parse(entry, names)
    assert (found.backends, found.backend) == (("backend2", "backend1"), "backend1")
    assert found.time - found.began == pytest.approx(5.003)
    assert found.status == 200
    assert parse(entry | {"upstream": ""}, names).backend == ""
    assert parse(entry | {"upstream": "backends"}, names).backends == ()


def test_a_stop_and_the_next_start_are_an_outage() -> None:
    """A unit may be stopped twice in a row, or still be down."""
    entries = [
        {"__REALTIME_TIMESTAMP": f"{at}000000", "MESSAGE_ID": kind}
        for at, kind in [(1, STARTED), (2, STOPPED), (3, STOPPED), (5, STARTED), (9, STOPPED)]
    ]
    assert outages(entries) == [Outage(2, 5), Outage(9, NEVER)]


@pytest.mark.parametrize(
    ("at", "seconds", "is_in"), [(12, 1, True), (10.5, 1, False), (19.5, 1, False), (21, 0, False)]
)
def test_a_request_belongs_to_an_outage(at: float, seconds: float, is_in: bool) -> None:
    """If it began and ended in it. Times in the log are rounded to seconds."""
    assert Outage(10, 20).has(request(at, "frontend1", seconds)) is is_in


def test_an_old_address_lives_until_its_last_request() -> None:
    """If others follow, and none of its own. A second load of the zone begins anew."""
    requests = [request(at, "frontend1") for at in (8, 12, 17)] + [request(at, "frontend2") for at in (18, 25, 33)]
    assert lives([10], requests, "frontend1") == [7]
    assert lives([10, 30], requests, "frontend1") == [7]
    assert lives([20], requests, "frontend1") == []
    assert lives([10], requests[:3], "frontend1") == []


def test_evidence_is_asked_of_the_machines_once() -> None:
    """A check has many points about the same requests."""
    calls: list[object] = []
    lab = SimpleNamespace(
        everywhere=lambda *_: calls.append(1) or {},  # type: ignore[func-returns-value]
        tier=lambda _: [],
        addresses=lambda _: [],
    )
    evidence = Evidence(cast(Any, lab), 0)
    assert (evidence.requests, evidence.of_client(), len(calls)) == ([], [], 1)
