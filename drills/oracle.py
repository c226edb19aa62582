"""Judges what users were answered, by what they had been told before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from drills.events import Event

GOOD_STATUS = {"login": 200, "logout": 204, "page": 200, "status": 200}


class Judgement(StrEnum):
    """What an answer was to the user."""

    GOOD = "good"
    WRONG = "wrong"  # somebody else's identity, or logged in after an acknowledged logout
    LOST = "lost"  # logged out, though a login was acknowledged and nobody logged out
    FAILED = "failed"  # no good answer


def judge(event: Event) -> Judgement:
    """One answer. Only what was acknowledged counts: a logout without an answer may have happened or not."""
    if event.identity not in ("", event.user):
        return Judgement.WRONG
    if event.action == "replay":
        return {200: Judgement.WRONG, 401: Judgement.GOOD}.get(event.status, Judgement.FAILED)
    if event.action == "perfil":
        if event.status == 200:
            return Judgement.GOOD if event.identity else Judgement.FAILED
        if event.status == 401:
            return Judgement.LOST if event.known == "in" else Judgement.GOOD
        return Judgement.FAILED
    is_good = event.status == GOOD_STATUS[event.action] and (event.identity or event.action != "login")
    return Judgement.GOOD if is_good else Judgement.FAILED


def is_clean(event: Event) -> bool:
    """Whether a refusal is one that a user can live with: 503, when to come back, the cookie left alone."""
    return event.status == 503 and event.retry_after and not event.cookie_changed


@dataclass(frozen=True)
class Marks:
    """When a drill did what, in seconds since 1970: asking began, something broke, its cause was gone, asking ended."""

    began: float
    broke: float
    returned: float
    ended: float


@dataclass(frozen=True)
class Full:
    """What full redundancy is: every pair of these answers well, and each of these name servers answers."""

    frontends: Sequence[str]
    backends: Sequence[str]
    nameservers: Sequence[str] = ()


def full_at(events: Iterable[Event], since: float, full: Full) -> float | None:
    """When users had met the whole system again after `since`: every way through it, Redis and MySQL behind every
    backend, every name server. None while they have not."""
    missing: set[object] = {(f, b) for f in full.frontends for b in full.backends}
    missing |= {f"{b} with its data" for b in full.backends} | set(full.nameservers)
    for event in sorted((event for event in events if event.at >= since), key=lambda event: event.end):
        if event.looked_up:
            missing.discard(event.looked_up)
        if judge(event) is Judgement.GOOD and event.backend:
            missing.discard((event.frontend, event.backend))
        if event.healthy:
            missing.discard(f"{event.backend} with its data")
        if not missing:
            return event.end
    return None


@dataclass(frozen=True)
class Pace:
    """How long answers took in one part of a drill, in seconds; nan where there were none."""

    requests: int
    p50: float
    p99: float

    @classmethod
    def of(cls, events: Sequence[Event]) -> Pace:
        seconds = sorted(event.seconds for event in events)
        return cls(len(seconds), _percentile(seconds, 50), _percentile(seconds, 99))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A drill in numbers. `redundancy_seconds` is None where full redundancy was not seen again."""

    requests: int
    wrong: int
    lost: int
    failed: int
    unclean: int  # of the failed: not a clean refusal
    retried: int  # answered well by the second address that was tried, or a later one
    failed_actions: dict[str, int]
    gap_seconds: float  # the longest time in which nobody had a good answer
    slowest_seconds: float
    redundancy_seconds: float | None
    before: Pace
    during: Pace
    after: Pace
    bad: list[Event] = field(repr=False)


def measure(events: Sequence[Event], marks: Marks, full: Full, healed: float | None = None) -> Figures:
    """Judge all events of a drill. `healed` is when the machines said that they were well again.

    `during` ends when full redundancy is back, `after` begins there. A request belongs to the part that it began in.
    """
    judged = [(event, judge(event)) for event in sorted(events, key=lambda event: event.at)]
    count = Counter(judgement for _, judgement in judged)
    failures = [event for event, judgement in judged if judgement is Judgement.FAILED]
    seen = full_at(events, marks.returned, full)
    back = max(seen, healed or seen) if seen else None
    until = back or marks.ended
    return Figures(
        requests=len(judged),
        wrong=count[Judgement.WRONG],
        lost=count[Judgement.LOST],
        failed=len(failures),
        unclean=sum(not is_clean(event) for event in failures),
        retried=sum(judgement is Judgement.GOOD and len(event.tries) > 1 for event, judgement in judged),
        failed_actions=dict(Counter(event.action for event in failures)),
        gap_seconds=_longest_gap([event.end for event, judgement in judged if judgement is Judgement.GOOD], marks),
        slowest_seconds=max((event.seconds for event, _ in judged), default=math.nan),
        redundancy_seconds=max(0.0, back - marks.returned) if back else None,
        before=Pace.of([event for event, _ in judged if event.at < marks.broke]),
        during=Pace.of([event for event, _ in judged if marks.broke <= event.at < until]),
        after=Pace.of([event for event, _ in judged if event.at >= until]),
        bad=[event for event, judgement in judged if judgement is not Judgement.GOOD],
    )


def _longest_gap(successes: Iterable[float], marks: Marks) -> float:
    moments = [marks.began, *sorted(moment for moment in successes if moment <= marks.ended), marks.ended]
    return max(later - earlier for earlier, later in pairwise(moments))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
