"""The tables of a bench: all arms, and our app beside its peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from statistics import median

from bench.arms import NAMES, name_of
from bench.measure import Run
from bench.units import PEERS, WORKERS

HEADER = ("request", "requests/s", "p50, ms", "p99, ms", "processor time, µs a request", "memory, MB", "failed")
RATIO_HEADER = ("ratio of /perfil", "processor time of the app", "requests/s", "p99", "memory of the app")

Results = Mapping[str, Sequence[Run]]
"""The runs of each arm, by its name; one in each round."""


def table(results: Results) -> str:
    """Return the arms as a table in Markdown: the medians of all rounds, with minimum and maximum where it matters."""
    return _table(HEADER, [_row(name, runs) for name, runs in results.items() if runs])


def ratios(results: Results, workers: int, backends: int) -> str:
    """Return what our app costs as a share of what its peers cost, compared in each round; '' without a peer.

    Directly on one backend, and through nginx on all of them, each with the usual number of workers.
    """
    rows = []
    for number in (0, backends):
        for kind in WORKERS:
            for peer in PEERS:
                ours, theirs = (results.get(name_of("/perfil", one, workers, number), []) for one in (kind, peer))
                pairs = list(zip(ours, theirs, strict=False))
                if pairs:
                    way = "nginx" if number else "direct"
                    rows.append([f"{NAMES[kind]} / {NAMES[peer]}, {way}", *_ratios(pairs)])
    return _table(RATIO_HEADER, rows) if rows else ""


def _ratios(pairs: Sequence[tuple[Run, Run]]) -> list[str]:
    measures: list[Callable[[Run], float]] = [
        lambda run: run.cpu_us["app"],
        lambda run: run.requests_per_second,
        lambda run: run.p99_ms,
        lambda run: run.memory_mb["app"],
    ]
    return [_spread([of(ours) / (of(theirs) or nan) for ours, theirs in pairs], "{:.2f}") for of in measures]


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    processes = list(dict.fromkeys(process for run in runs for process in run.cpu_us))
    return [
        name,
        _spread([run.requests_per_second for run in runs]),
        f"{median(run.p50_ms for run in runs):.1f}",
        f"{median(run.p99_ms for run in runs):.1f}",
        _by_process(processes, lambda process: _spread([run.cpu_us[process] for run in runs])),
        _by_process(processes, lambda process: f"{median(run.memory_mb[process] for run in runs):.0f}"),
        str(sum(run.failed for run in runs)),
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _spread(values: Sequence[float], form: str = "{:.0f}") -> str:
    middle, low, high = (form.format(value) for value in (median(values), min(values), max(values)))
    return f"**{middle}** ({low}-{high})"


def _by_process(processes: Sequence[str], show: Callable[[str], str]) -> str:
    return ", ".join(f"{process} {show(process)}" for process in processes)
