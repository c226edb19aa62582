"""The table of all findings, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from audit.accepted import Acceptance
from audit.finding import Finding, Level

SHOWN_TARGETS = 3


def table(findings: Sequence[Finding], unused: Iterable[Acceptance], everything: bool = False) -> Table:
    """One row for each result, with all targets that have it. Those of level low only on demand: they are many."""
    rows: dict[tuple[str, str, Level, str], list[str]] = {}
    for finding in findings:
        if everything or finding.level != Level.LOW:
            rows.setdefault((finding.tool, finding.result, finding.level, finding.accepted), []).append(finding.target)
    drawn = Table("Tool", "Target", "Result", "Level", "Accepted because")
    for (tool, result, level, accepted), targets in rows.items():
        style = "red" if level >= Level.MEDIUM and not accepted else None
        cells = (tool, together(targets), result, level.name.lower(), accepted)
        drawn.add_row(*map(escape, cells), style=style)
    for one in unused:
        cells = (one.tool, one.target, one.result, "unused", "no finding needs this acceptance")
        drawn.add_row(*map(escape, cells), style="yellow")
    return drawn


def together(targets: Sequence[str]) -> str:
    rest = len(targets) - SHOWN_TARGETS
    return ", ".join(targets[:SHOWN_TARGETS]) + (f" and {rest} more" if rest > 0 else "")


def summary(findings: Sequence[Finding]) -> str:
    failing = sum(one.is_failing for one in findings)
    accepted = sum(bool(one.accepted) for one in findings)
    low = sum(one.level == Level.LOW for one in findings)
    return f"{failing} to correct, {accepted} accepted, {low} of level low"


def as_json(findings: Iterable[Finding], unused: Iterable[Acceptance]) -> dict[str, object]:
    return {
        "findings": [asdict(one) | {"level": one.level.name.lower()} for one in findings],
        "unused": [asdict(one) for one in unused],
    }
