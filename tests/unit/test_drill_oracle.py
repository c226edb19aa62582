"""The oracle reports violations, and only violations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drills import events as event_log
from drills.events import Action, Event, LoginState
from drills.oracle import Phases, Topology, Verdict, full_redundancy_at, is_clean, judge, measure

GOOD, WRONG, LOST, FAILED = Verdict.GOOD, Verdict.WRONG, Verdict.LOST, Verdict.FAILED
TOPOLOGY = Topology(["f1", "f2"], ["b1"], ["192.0.2.5"])


def event(
    action: Action = "perfil",
    login_state: LoginState = "logged_in",
    status: int = 200,
    identity: str = "ana",
    at: float = 0,
) -> Event:
    return Event(
        at=at, seconds=0.1, user="ana", action=action, login_state=login_state, status=status, identity=identity
    )


@pytest.mark.parametrize(
    ("action", "login_state", "status", "identity", "expected"),
    [
        ("perfil", "logged_in", 200, "ana", GOOD),
        ("perfil", "logged_in", 200, "bruno", WRONG),  # another user's identity
        ("perfil", "logged_in", 200, "", FAILED),  # a page without an identity is no profile
        ("perfil", "logged_in", 401, "", LOST),  # the login was acknowledged, and the user did not log out
        ("perfil", "logged_in", 503, "", FAILED),
        ("perfil", "logged_in", 0, "", FAILED),
        ("perfil", "unknown", 401, "", GOOD),  # the logout without an answer may have happened
        ("perfil", "unknown", 200, "ana", GOOD),  # or not
        ("perfil", "unknown", 200, "bruno", WRONG),
        ("replay", "logged_out", 401, "", GOOD),
        ("replay", "logged_out", 200, "ana", WRONG),  # logged in after an acknowledged logout
        ("replay", "logged_out", 503, "", FAILED),
        ("login", "logged_out", 200, "ana", GOOD),
        ("login", "logged_out", 200, "bruno", WRONG),
        ("login", "logged_out", 401, "", FAILED),
        ("login", "logged_out", 503, "", FAILED),
        ("logout", "logged_in", 204, "", GOOD),
        ("logout", "logged_in", 503, "", FAILED),
        ("page", "logged_out", 200, "", GOOD),
        ("page", "logged_in", 404, "", FAILED),
        ("status", "logged_in", 200, "", GOOD),
        ("status", "logged_in", 0, "", FAILED),
    ],
)
def test_an_answer_is_judged_by_what_was_acknowledged(
    action: Action, login_state: LoginState, status: int, identity: str, expected: Verdict
) -> None:
    """All combinations of acknowledged state and answer."""
    assert judge(event(action, login_state, status, identity)) is expected


def test_a_clean_refusal_has_retry_after_and_keeps_the_cookie() -> None:
    """Every other failure gets a worse verdict."""
    clean = replace(event(status=503, identity=""), retry_after=True)
    assert is_clean(clean)
    assert not is_clean(replace(clean, retry_after=False))
    assert not is_clean(replace(clean, cookie_changed=True))
    assert not is_clean(replace(clean, status=500))
    assert not is_clean(replace(clean, status=0))


def test_the_longest_gap_is_the_longest_time_without_a_good_answer() -> None:
    """Bad answers do not end a gap; the start and end of the drill do."""
    phases = Phases(0, 2, 4, 10)
    events = [event(at=at) for at in (0.9, 1.9, 7.9)] + [event(at=5, status=503, identity="")]
    metrics = measure(events, phases, Topology([], []))
    assert metrics.gap_seconds == pytest.approx(6)
    assert measure([], phases, Topology([], [])).gap_seconds == 10


def redundant(at: float) -> list[Event]:
    """Events that show full redundancy of two frontends, one backend and a name server, one per second."""
    pairs = [replace(event(at=at), frontend="f1", backend="b1"), replace(event(at=at + 1), frontend="f2", backend="b1")]
    status = replace(event("status", identity="", at=at + 2), frontend="other", backend="b1", healthy=True)
    return [*pairs, status, replace(event("page", at=at + 3, identity=""), looked_up="192.0.2.5")]


def test_full_redundancy_needs_every_path_through_the_system() -> None:
    """Only events after the fault was undone count."""
    events = redundant(10)
    assert full_redundancy_at(events, 10, TOPOLOGY) == pytest.approx(13.1)
    assert full_redundancy_at(events, 10.5, TOPOLOGY) is None
    for missing in events:
        assert full_redundancy_at([one for one in events if one is not missing], 10, TOPOLOGY) is None
    unhealthy = [replace(one, healthy=False) if one.healthy else one for one in events]
    assert full_redundancy_at(unhealthy, 10, TOPOLOGY) is None


def test_redundancy_includes_the_recovery_of_the_machines() -> None:
    """Users may already get good answers while a service is still starting."""
    phases = Phases(0, 5, 10, 30)
    assert measure(redundant(10), phases, TOPOLOGY).redundancy_seconds == pytest.approx(3.1)
    assert measure(redundant(10), phases, TOPOLOGY, recovered_at=18).redundancy_seconds == 8
    assert measure([], phases, TOPOLOGY).redundancy_seconds is None


def test_latency_is_measured_before_during_and_after() -> None:
    """Each part has its own percentiles; the fault's part lasts until redundancy is back."""
    slow = replace(event(at=6), seconds=3.0)
    events = [*(event(at=1) for _ in range(99)), slow, *redundant(10), event(at=20)]
    metrics = measure(events, Phases(0, 5, 10, 30), TOPOLOGY)
    assert (metrics.before.requests, metrics.during.requests, metrics.after.requests) == (99, 5, 1)
    assert (metrics.during.p50, metrics.during.p99) == (0.1, 3.0)
    assert metrics.slowest_seconds == 3.0


def test_events_can_be_read_back(tmp_path: Path) -> None:
    """The raw file is enough to judge a drill again."""
    events = [replace(event(), tries=[{"address": "192.0.2.1", "error": ""}]), event(status=0)]
    event_log.write(tmp_path / "x.jsonl", events)
    assert event_log.read(tmp_path / "x.jsonl") == events
