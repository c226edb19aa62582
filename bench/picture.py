"""The picture of a bench: what a request costs, and how the rate grows with workers and backends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")  # draws files, and needs no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.arms import NAMES, name_of
from bench.report import Results

COLOURS = {"app": "#0072b2", "redis": "#e69f00"}
LINES = {"gthread": "#56b4e9", "leader": "#0072b2", "express": "#999999", "express-duties": "#d55e00"}
"""Distinct for colour-blind readers, too."""


def draw(path: Path, results: Results, workers: int, counts: Sequence[int], backends: int, title: str) -> None:
    """Write the picture of /perfil as SVG: one backend with its usual workers, more workers, more backends."""
    figure, (costs, by_workers, by_backends) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    try:
        _bars(costs, results, workers)
        _lines(by_workers, results, [(count, count, 0) for count in counts])
        _lines(by_backends, results, [(number, workers, number) for number in range(1, backends + 1)])
        by_workers.set_xlabel("workers of one backend")
        by_backends.set_xlabel(f"backends behind one nginx, {workers} workers each")
        figure.suptitle(title)
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench"}):
            figure.savefig(path, format="svg", metadata={"Date": None})
    finally:
        plt.close(figure)


def _bars(axes: Axes, results: Results, workers: int) -> None:
    kinds = [kind for kind in LINES if results.get(name_of("/perfil", kind, workers))]
    start = [0.0] * len(kinds)
    for process, colour in COLOURS.items():
        values = [
            median(run.cpu_us.get(process, 0) for run in results[name_of("/perfil", kind, workers)]) for kind in kinds
        ]
        axes.barh([NAMES[kind] for kind in kinds], values, left=start, color=colour, label=process)
        start = [before + value for before, value in zip(start, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel(f"processor time of GET /perfil, µs ({workers} workers)")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS))


def _lines(axes: Axes, results: Results, points: Iterable[tuple[int, int, int]]) -> None:
    """Requests per second by x; a point is x, the number of workers, and that of the backends behind nginx, or 0."""
    points = list(points)
    for kind, colour in LINES.items():
        known = [
            (x, [run.requests_per_second for run in runs])
            for x, workers, backends in points
            if (runs := results.get(name_of("/perfil", kind, workers, backends), []))
        ]
        if len(known) > 1:
            middle = [median(rates) for _, rates in known]
            spread = [
                [value - min(rates) for value, (_, rates) in zip(middle, known, strict=True)],
                [max(rates) - value for value, (_, rates) in zip(middle, known, strict=True)],
            ]
            axes.errorbar([x for x, _ in known], middle, spread, color=colour, label=NAMES[kind], marker="o", capsize=3)
    axes.set_ylim(bottom=0)
    axes.set_xticks([x for x, _, _ in points])
    axes.set_ylabel("requests/s")
    if axes.has_data():
        axes.legend(frameon=False)
