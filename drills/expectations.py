"""What each kind of drill must show: expectations.yml, checked when it is read, and held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from drills.oracle import Figures

FILE = Path(__file__).with_name("expectations.yml")
LEAST_REQUESTS = 100
"""Fewer prove nothing."""

Count = int | Literal["any", "some"]
"""At most so many; `any` number; or `some`, one at least."""


class BadExpectation(ValueError):
    """expectations.yml cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one kind of drill must show; docs/drills.md explains each word."""

    why: str
    wrong: Count = 0
    lost: Count = 0
    failed: Count = 0
    only: tuple[str, ...] = ()  # the actions that may fail; empty: all
    refusals: Literal["clean", "any"] = "any"
    gap_seconds: float | None = None
    slowest_seconds: float = 15.5
    redundancy_seconds: float = 30

    def broken_by(self, figures: Figures) -> Iterator[str]:
        """A sentence for each part that does not hold."""
        if figures.requests < LEAST_REQUESTS:
            yield f"{figures.requests} requests prove nothing: {LEAST_REQUESTS} are the least"
        for name in ("wrong", "lost", "failed"):
            limit, found = getattr(self, name), getattr(figures, name)
            if limit == "some" and not found:
                yield f"{name}: none was seen, and this drill has to make some: the oracle is blind, or nothing broke"
            elif isinstance(limit, int) and found > limit:
                yield f"{name}: {found}, expected {'none' if limit == 0 else f'at most {limit}'}"
        others = {name: count for name, count in figures.failed_actions.items() if self.only and name not in self.only}
        if others:
            yield f"failed: {others}, expected of {', '.join(self.only)} alone"
        if self.refusals == "clean" and figures.unclean:
            yield f"refusals: {figures.unclean} were no clean 503 (Retry-After, cookie left alone)"
        for name, limit in (("gap_seconds", self.gap_seconds), ("slowest_seconds", self.slowest_seconds)):
            if limit is not None and not getattr(figures, name) <= limit:
                yield f"{name}: {getattr(figures, name):.2f}, expected at most {limit:g}"
        if figures.redundancy_seconds is None:
            yield "redundancy_seconds: full redundancy was not seen again"
        elif figures.redundancy_seconds > self.redundancy_seconds:
            yield f"redundancy_seconds: {figures.redundancy_seconds:.1f}, expected at most {self.redundancy_seconds:g}"


def load(path: Path = FILE) -> dict[str, Expectation]:
    """The expectations by kind of drill.

    Raises:
        BadExpectation: something is unknown or of the wrong type.
    """
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {kind: _one(kind, entry) for kind, entry in told.items()}


def _one(kind: str, entry: Mapping[str, Any]) -> Expectation:
    known = {one.name for one in fields(Expectation)}
    if unknown := set(entry) - known:
        raise BadExpectation(
            f"{kind}: no such words: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    if not str(entry.get("why", "")).strip():
        raise BadExpectation(f"{kind}: `why` is missing")
    for name in ("wrong", "lost", "failed"):
        if not (entry.get(name, 0) in ("any", "some") or (type(entry.get(name, 0)) is int and entry.get(name, 0) >= 0)):
            raise BadExpectation(f"{kind}: `{name}` is {entry[name]!r}; write a number, any or some")
    return Expectation(**{**entry, "only": tuple(entry.get("only", ()))})
