"""The expectations for each kind of drill: expectations.yml, validated and compared with what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from drills.oracle import Metrics
from lab.waiting import SLOW

FILE = Path(__file__).with_name("expectations.yml")
MIN_REQUESTS = 100
"""Fewer requests prove nothing."""

Count = int | Literal["any", "some"]
"""At most this many, any number, or at least one."""


class InvalidExpectation(ValueError):
    """expectations.yml cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one kind of drill must show; docs/drills.md explains each word."""

    why: str
    wrong: Count = 0
    lost: Count = 0
    failed: Count = 0
    only: tuple[str, ...] = ()  # the actions that may fail; empty for all
    refusals: Literal["clean", "any"] = "any"
    gap_seconds: float | None = None
    slowest_seconds: float = 15.5
    redundancy_seconds: float = 30

    def violations(self, metrics: Metrics) -> Iterator[str]:
        """Yield a sentence for each part that does not hold."""
        if metrics.requests < MIN_REQUESTS:
            yield f"{metrics.requests} requests are too few to prove anything: at least {MIN_REQUESTS} are needed"
        for name in ("wrong", "lost", "failed"):
            limit, found = getattr(self, name), getattr(metrics, name)
            if limit == "some" and not found:
                yield f"{name}: none, but this drill must cause some: the oracle is blind, or nothing broke"
            elif isinstance(limit, int) and found > limit:
                yield f"{name}: {found}, expected {'none' if limit == 0 else f'at most {limit}'}"
        others = {name: count for name, count in metrics.failed_actions.items() if self.only and name not in self.only}
        if others:
            yield f"failed: {others}, expected only {', '.join(self.only)} to fail"
        if self.refusals == "clean" and metrics.unclean:
            yield f"refusals: {metrics.unclean} were not a clean 503 (with Retry-After, cookie unchanged)"
        for name, limit in (("gap_seconds", self.gap_seconds), ("slowest_seconds", self.slowest_seconds)):
            if limit is not None and not getattr(metrics, name) <= limit:
                yield f"{name}: {getattr(metrics, name):.2f}, expected at most {limit:g}"
        if metrics.redundancy_seconds is None:
            yield "redundancy_seconds: full redundancy did not return"
        elif metrics.redundancy_seconds > (limit := self.redundancy_seconds * SLOW):
            yield f"redundancy_seconds: {metrics.redundancy_seconds:.1f}, expected at most {limit:g}"


def load(is_redundant: bool = False, path: Path = FILE) -> dict[str, Expectation]:
    """Read the expectations by kind of drill; where every machine has another one, expectations.ha.yml replaces them.

    Raises:
        InvalidExpectation: a word is unknown or a value has the wrong type.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if is_redundant:
        document |= yaml.safe_load(path.with_name(f"{path.stem}.ha.yml").read_text(encoding="utf-8"))
    return {kind: _expectation(kind, entry) for kind, entry in document.items()}


def _expectation(kind: str, entry: Mapping[str, Any]) -> Expectation:
    known = {one.name for one in fields(Expectation)}
    if unknown := set(entry) - known:
        raise InvalidExpectation(f"{kind}: unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    if not str(entry.get("why", "")).strip():
        raise InvalidExpectation(f"{kind}: `why` is missing")
    for name in ("wrong", "lost", "failed"):
        value = entry.get(name, 0)
        if not (value in ("any", "some") or (type(value) is int and value >= 0)):
            raise InvalidExpectation(f"{kind}: `{name}` is {value!r}; write a number, any or some")
    return Expectation(**{**entry, "only": tuple(entry.get("only", ()))})
