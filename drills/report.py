"""The report of a run: one HTML page, with a table of all drills and, for each, its chart, expectation and problems."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drills.oracle import Latency
from drills.runner import Outcome, Settings
from drills.timeline import draw

MAX_EVENTS = 10


def write(folder: Path, outcomes: Sequence[Outcome], settings: Settings, selection: str) -> Path:
    """Write the charts, summary.json and report.html into the folder, and return the path of the page."""
    for outcome in outcomes:
        draw(folder / f"{outcome.name}.png", outcome.name, outcome.events, outcome.phases)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"latency": latency, "seconds": seconds}
    page = environment.get_template("report.html.j2").render(
        outcomes=outcomes, settings=settings, selection=selection, max_events=MAX_EVENTS
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    summary = [_summary(outcome) for outcome in outcomes]
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def table(outcomes: Sequence[Outcome]) -> str:
    """The table for a terminal."""
    header = ["drill", "requests", "wrong", "lost", "failed", "retried", "gap", "redundant"]
    rows = [[*header, "p50/p99 before", "during", "after", ""]]
    for outcome in outcomes:
        metrics = outcome.metrics
        rows.append(
            [
                outcome.name,
                *(str(getattr(metrics, name)) for name in ("requests", "wrong", "lost", "failed", "retried")),
                seconds(metrics.gap_seconds),
                seconds(metrics.redundancy_seconds),
                *(latency(part) for part in (metrics.before, metrics.during, metrics.after)),
                "FAILED" if outcome.problems else "",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def latency(value: Latency) -> str:
    """The percentiles in milliseconds."""
    return f"{value.p50 * 1000:.0f}/{value.p99 * 1000:.0f} ms" if value.requests else "-"


def seconds(value: float | None) -> str:
    """A duration; `never` for None."""
    return "never" if value is None else "-" if math.isnan(value) else f"{value:.1f} s"


def _summary(outcome: Outcome) -> dict[str, Any]:
    metrics = asdict(outcome.metrics)
    metrics.pop("bad")
    return {"name": outcome.name, "kind": outcome.kind, "problems": list(outcome.problems), **metrics} | {
        "lag_seconds": outcome.lag_seconds,
        "phases": asdict(outcome.phases),
    }
