"""The oracle sees what it should, and nothing else: each judgement has its opposite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drills import events as log
from drills.events import Action, Event, Known
from drills.oracle import Full, Judgement, Marks, full_at, is_clean, judge, measure

GOOD, WRONG, LOST, FAILED = Judgement.GOOD, Judgement.WRONG, Judgement.LOST, Judgement.FAILED


def event(
    action: Action = "perfil", known: Known = "in", status: int = 200, identity: str = "ana", at: float = 0
) -> Event:
    return Event(at=at, seconds=0.1, user="ana", action=action, known=known, status=status, identity=identity)


@pytest.mark.parametrize(
    ("action", "known", "status", "identity", "expected"),
    [
        ("perfil", "in", 200, "ana", GOOD),
        ("perfil", "in", 200, "bruno", WRONG),  # somebody else's identity
        ("perfil", "in", 200, "", FAILED),  # a page that says nothing is no profile
        ("perfil", "in", 401, "", LOST),  # a login was acknowledged and nobody logged out
        ("perfil", "in", 503, "", FAILED),
        ("perfil", "in", 0, "", FAILED),
        ("perfil", "leaving", 401, "", GOOD),  # the logout that was not acknowledged may have happened
        ("perfil", "leaving", 200, "ana", GOOD),  # or not
        ("perfil", "leaving", 200, "bruno", WRONG),
        ("replay", "out", 401, "", GOOD),
        ("replay", "out", 200, "ana", WRONG),  # logged in after an acknowledged logout
        ("replay", "out", 503, "", FAILED),
        ("login", "out", 200, "ana", GOOD),
        ("login", "out", 200, "bruno", WRONG),
        ("login", "out", 401, "", FAILED),
        ("login", "out", 503, "", FAILED),
        ("logout", "in", 204, "", GOOD),
        ("logout", "in", 503, "", FAILED),
        ("page", "out", 200, "", GOOD),
        ("page", "in", 404, "", FAILED),
        ("status", "in", 200, "", GOOD),
        ("status", "in", 0, "", FAILED),
    ],
)
def test_each_answer_is_judged_by_what_the_user_had_been_told(
    action: Action, known: Known, status: int, identity: str, expected: Judgement
) -> None:
    """The whole table of what may happen to somebody."""
    assert judge(event(action, known, status, identity)) is expected


def test_a_clean_refusal_says_when_to_come_back_and_leaves_the_cookie() -> None:
    """Everything else that fails is worse."""
    clean = replace(event(status=503, identity=""), retry_after=True)
    assert is_clean(clean)
    assert not is_clean(replace(clean, retry_after=False))
    assert not is_clean(replace(clean, cookie_changed=True))
    assert not is_clean(replace(clean, status=500))
    assert not is_clean(replace(clean, status=0))


def test_the_longest_gap_is_when_nobody_had_a_good_answer() -> None:
    """Answers that are not good do not end it, and the ends of the drill count."""
    marks = Marks(0, 2, 4, 10)
    events = [event(at=at) for at in (0.9, 1.9, 7.9)] + [event(at=5, status=503, identity="")]
    figures = measure(events, marks, Full([], []))
    assert figures.gap_seconds == pytest.approx(6)
    assert measure([], marks, Full([], [])).gap_seconds == 10


def whole(at: float) -> list[Event]:
    """What shows full redundancy of two frontends, one backend and a name server, one event a second."""
    ways = [replace(event(at=at), frontend="f1", backend="b1"), replace(event(at=at + 1), frontend="f2", backend="b1")]
    status = replace(event("status", identity="", at=at + 2), frontend="other", backend="b1", healthy=True)
    return [*ways, status, replace(event("page", at=at + 3, identity=""), looked_up="192.0.2.5")]


def test_full_redundancy_is_every_way_through_the_system() -> None:
    """And it has to be seen after the cause was gone: what was good before proves nothing."""
    full = Full(["f1", "f2"], ["b1"], ["192.0.2.5"])
    assert full_at(whole(10), 10, full) == pytest.approx(13.1)
    assert full_at(whole(10), 10.5, full) is None
    for missing in range(4):
        assert full_at([one for number, one in enumerate(whole(10)) if number != missing], 10, full) is None
    unhealthy = [replace(one, healthy=False) if one.healthy else one for one in whole(10)]
    assert full_at(unhealthy, 10, full) is None


def test_redundancy_waits_for_the_machines_too() -> None:
    """Users may be served well while a service is still coming up."""
    full = Full(["f1", "f2"], ["b1"], ["192.0.2.5"])
    marks = Marks(0, 5, 10, 30)
    assert measure(whole(10), marks, full).redundancy_seconds == pytest.approx(3.1)
    assert measure(whole(10), marks, full, healed=18).redundancy_seconds == 8
    assert measure([], marks, full).redundancy_seconds is None


def test_the_parts_of_a_drill_are_told_apart() -> None:
    """Before it broke, until all was back, after: each with its own percentiles."""
    full = Full(["f1", "f2"], ["b1"], ["192.0.2.5"])
    slow = replace(event(at=6), seconds=3.0)
    figures = measure([*(event(at=1) for _ in range(99)), slow, *whole(10), event(at=20)], Marks(0, 5, 10, 30), full)
    assert (figures.before.requests, figures.during.requests, figures.after.requests) == (99, 5, 1)
    assert (figures.during.p50, figures.during.p99) == (0.1, 3.0)
    assert figures.slowest_seconds == 3.0


def test_events_survive_being_written(tmp_path: Path) -> None:
    """The raw file is enough to judge a drill again."""
    events = [replace(event(), tries=[{"address": "192.0.2.1", "error": ""}]), event(status=0)]
    log.write(tmp_path / "x.jsonl", events)
    assert log.read(tmp_path / "x.jsonl") == events
