"""One HTML page for a run: a table of all drills, and for each its picture, what was expected, what did not hold."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drills.oracle import Pace
from drills.runner import Outcome, Settings
from drills.timeline import draw

BAD_EVENTS = 10


def write(folder: Path, outcomes: Sequence[Outcome], settings: Settings, wanted: str) -> Path:
    """Write the pictures, report.html and summary.json into the folder; the page's path."""
    for outcome in outcomes:
        draw(folder / f"{outcome.name}.png", outcome.name, outcome.events, outcome.marks)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"pace": pace, "seconds": seconds}
    page = environment.get_template("report.html.j2").render(
        outcomes=outcomes, settings=settings, wanted=wanted, bad_events=BAD_EVENTS
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    summary = [_plain(outcome) for outcome in outcomes]
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def table(outcomes: Sequence[Outcome]) -> str:
    """The same numbers for a terminal."""
    head = ("drill", "requests", "wrong", "lost", "failed", "retried", "gap", "redundant", "p50/p99 before", "during")
    rows = [
        (
            outcome.name,
            *(str(getattr(outcome.figures, name)) for name in ("requests", "wrong", "lost", "failed", "retried")),
            seconds(outcome.figures.gap_seconds),
            seconds(outcome.figures.redundancy_seconds),
            pace(outcome.figures.before),
            pace(outcome.figures.during),
            "" if not outcome.problems else "FAILED",
        )
        for outcome in outcomes
    ]
    everything = [
        (*head, "after", ""),
        *((*row[:-1], pace(o.figures.after), row[-1]) for row, o in zip(rows, outcomes, strict=True)),
    ]
    widths = [max(len(row[column]) for row in everything) for column in range(len(everything[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    )


def pace(told: Pace) -> str:
    """Two percentiles in milliseconds."""
    return f"{told.p50 * 1000:.0f}/{told.p99 * 1000:.0f} ms" if told.requests else "-"


def seconds(told: float | None) -> str:
    return "never" if told is None else "-" if math.isnan(told) else f"{told:.1f} s"


def _plain(outcome: Outcome) -> dict[str, Any]:
    told = asdict(outcome.figures)
    told.pop("bad")
    return {"name": outcome.name, "kind": outcome.kind, "problems": list(outcome.problems), **told} | {
        "lag_seconds": outcome.lag_seconds,
        "marks": asdict(outcome.marks),
    }
