"""The oracle: judges each answer by what the site had acknowledged to that user before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from drills.events import Event

GOOD_STATUS = {"login": 200, "logout": 204, "page": 200, "status": 200}


class Verdict(StrEnum):
    """What an answer was to the user."""

    GOOD = "good"
    WRONG = "wrong"  # another user's identity, or logged in after an acknowledged logout
    LOST = "lost"  # logged out, though the login was acknowledged and the user did not log out
    FAILED = "failed"  # no good answer


def judge(event: Event) -> Verdict:
    """Judge one answer. A logout without an answer may or may not have happened, so both outcomes are good."""
    if event.identity not in ("", event.user):
        return Verdict.WRONG
    if event.action == "replay":
        return {200: Verdict.WRONG, 401: Verdict.GOOD}.get(event.status, Verdict.FAILED)
    if event.action == "perfil":
        if event.status == 200:
            return Verdict.GOOD if event.identity else Verdict.FAILED
        if event.status == 401:
            return Verdict.LOST if event.login_state == "logged_in" else Verdict.GOOD
        return Verdict.FAILED
    is_good = event.status == GOOD_STATUS[event.action] and (event.identity or event.action != "login")
    return Verdict.GOOD if is_good else Verdict.FAILED


def is_clean(event: Event) -> bool:
    """Whether a failure is a clean refusal: a 503 that says when to come back and leaves the cookie unchanged."""
    return event.status == 503 and event.retry_after and not event.cookie_changed


@dataclass(frozen=True)
class Phases:
    """When the load started, the fault was injected and undone, and the load ended, in seconds since 1970."""

    started: float
    injected: float
    undone: float
    ended: float


@dataclass(frozen=True)
class Topology:
    """The machines that users meet. Redundancy is full when every pair of frontend and backend and every name server
    answers."""

    frontends: Sequence[str]
    backends: Sequence[str]
    nameservers: Sequence[str] = ()


def full_redundancy_at(events: Iterable[Event], since: float, topology: Topology) -> float | None:
    """When users had seen full redundancy after `since`: good answers from every frontend through every backend, Redis
    and MySQL behind every backend, and every name server. None if they have not yet."""
    missing: set[object] = {(f, b) for f in topology.frontends for b in topology.backends}
    missing |= {f"{b} with its data" for b in topology.backends} | set(topology.nameservers)
    for event in sorted((event for event in events if event.at >= since), key=lambda event: event.end):
        if event.looked_up:
            missing.discard(event.looked_up)
        if judge(event) is Verdict.GOOD and event.backend:
            missing.discard((event.frontend, event.backend))
        if event.healthy:
            missing.discard(f"{event.backend} with its data")
        if not missing:
            return event.end
    return None


@dataclass(frozen=True)
class Latency:
    """How long answers took in one part of a drill, in seconds; nan if there were none."""

    requests: int
    p50: float
    p99: float

    @classmethod
    def of(cls, events: Sequence[Event]) -> Latency:
        seconds = sorted(event.seconds for event in events)
        return cls(len(seconds), _percentile(seconds, 50), _percentile(seconds, 99))


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """A drill in numbers. `redundancy_seconds` is None if full redundancy did not return."""

    requests: int
    wrong: int
    lost: int
    failed: int
    unclean: int  # failed, and not a clean refusal
    retried: int  # answered well, but not by the first address or connection
    failed_actions: dict[str, int]
    gap_seconds: float  # the longest time in which nobody had a good answer
    slowest_seconds: float
    redundancy_seconds: float | None
    before: Latency
    during: Latency
    after: Latency
    bad: list[Event] = field(repr=False)


def measure(events: Sequence[Event], phases: Phases, topology: Topology, recovered_at: float | None = None) -> Metrics:
    """Judge all events of a drill. `recovered_at` is when the machines reported that they had recovered.

    `during` ends, and `after` begins, when full redundancy is back. A request belongs to the part in which it began.
    """
    judged = [(event, judge(event)) for event in sorted(events, key=lambda event: event.at)]
    count = Counter(verdict for _, verdict in judged)
    failures = [event for event, verdict in judged if verdict is Verdict.FAILED]
    seen_at = full_redundancy_at(events, phases.undone, topology)
    back_at = max(seen_at, recovered_at or seen_at) if seen_at else None
    until = back_at or phases.ended
    return Metrics(
        requests=len(judged),
        wrong=count[Verdict.WRONG],
        lost=count[Verdict.LOST],
        failed=len(failures),
        unclean=sum(not is_clean(event) for event in failures),
        retried=sum(verdict is Verdict.GOOD and len(event.tries) > 1 for event, verdict in judged),
        failed_actions=dict(Counter(event.action for event in failures)),
        gap_seconds=_longest_gap([event.end for event, verdict in judged if verdict is Verdict.GOOD], phases),
        slowest_seconds=max((event.seconds for event, _ in judged), default=math.nan),
        redundancy_seconds=max(0.0, back_at - phases.undone) if back_at else None,
        before=Latency.of([event for event, _ in judged if event.at < phases.injected]),
        during=Latency.of([event for event, _ in judged if phases.injected <= event.at < until]),
        after=Latency.of([event for event, _ in judged if event.at >= until]),
        bad=[event for event, verdict in judged if verdict is not Verdict.GOOD],
    )


def _longest_gap(successes: Iterable[float], phases: Phases) -> float:
    moments = [phases.started, *sorted(moment for moment in successes if moment <= phases.ended), phases.ended]
    return max(later - earlier for earlier, later in pairwise(moments))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that this many percent of the values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
