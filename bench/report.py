"""The table of all arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.measure import Run

HEADER = ("request", "requests/s", "p50, ms", "p99, ms", "processor time, µs a request", "memory, MB", "failed")


def table(results: Mapping[str, Sequence[Run]]) -> str:
    """Return the arms as a table in Markdown: the medians of all rounds, with minimum and maximum where it matters."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    return "\n".join([*lines, *(_row(name, runs) for name, runs in results.items())])


def _row(name: str, runs: Sequence[Run]) -> str:
    tiers = sorted({tier for run in runs for tier in run.cpu_us})
    cells = [
        name,
        _spread([run.requests_per_second for run in runs]),
        f"{median(run.p50_ms for run in runs):.1f}",
        f"{median(run.p99_ms for run in runs):.1f}",
        _by_tier(tiers, lambda tier: _spread([run.cpu_us[tier] for run in runs])),
        _by_tier(tiers, lambda tier: f"{median(run.memory_mb[tier] for run in runs):.0f}"),
        str(sum(run.failed for run in runs)),
    ]
    return "| " + " | ".join(cells) + " |"


def _spread(values: Sequence[float]) -> str:
    return f"**{median(values):.0f}** ({min(values):.0f}-{max(values):.0f})"


def _by_tier(tiers: Sequence[str], show: Callable[[str], str]) -> str:
    return ", ".join(f"{tier} {show(tier)}" for tier in tiers)
