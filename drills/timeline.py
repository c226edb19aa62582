"""The chart of a drill: answers by machine and latency over time, with the fault shaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import floor
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # draws files, and needs no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from drills.events import Event
from drills.oracle import Phases, Verdict, judge

COLOURS = {
    Verdict.GOOD: "#7a8b99",
    Verdict.FAILED: "#e69f00",
    Verdict.LOST: "#cc79a7",
    Verdict.WRONG: "#d00000",
}
"""Distinct for colour-blind readers, too."""

BIN_SECONDS = 0.5


def draw(path: Path, name: str, events: Sequence[Event], phases: Phases) -> None:
    """Write the chart as PNG; its time axis is in seconds since the fault was injected."""
    figure, (by_frontend, by_backend, latency) = plt.subplots(
        3, 1, figsize=(10, 7), sharex=True, layout="constrained", height_ratios=(1, 1, 1.4)
    )
    try:
        _stack(by_frontend, [(event.end - phases.injected, event.frontend) for event in events if event.frontend])
        _stack(by_backend, [(event.end - phases.injected, event.backend) for event in events if event.backend])
        for verdict, colour in COLOURS.items():
            some = [event for event in events if judge(event) is verdict]
            x, y = [event.at - phases.injected for event in some], [max(event.seconds, 1e-3) for event in some]
            size = 6 if verdict is Verdict.GOOD else 22
            latency.scatter(x, y, s=size, color=colour, label=f"{verdict}: {len(some)}", linewidths=0)
        latency.set_yscale("log")
        latency.set_ylabel("latency in seconds")
        latency.set_xlabel("seconds since the fault was injected")
        by_frontend.set_ylabel("answers per second,\nby frontend")
        by_backend.set_ylabel("answers per second,\nby backend")
        for axes in (by_frontend, by_backend, latency):
            axes.axvspan(0, max(phases.undone - phases.injected, 0.1), color="#f5d6d6", zorder=0)
            axes.set_xlim(phases.started - phases.injected, phases.ended - phases.injected)
            handles, _ = axes.get_legend_handles_labels()
            if handles:
                axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        figure.suptitle(name)
        figure.savefig(path, dpi=100)
    finally:
        plt.close(figure)


def _stack(axes: Axes, answers: Sequence[tuple[float, str]]) -> None:
    """Stack the answers per second of each machine."""
    count = Counter((floor(moment / BIN_SECONDS), name) for moment, name in answers)
    if not count:
        return
    bins = range(min(number for number, _ in count), max(number for number, _ in count) + 1)
    names = sorted({name for _, name in count})
    rows = [[count[number, name] / BIN_SECONDS for number in bins] for name in names]
    axes.stackplot([number * BIN_SECONDS for number in bins], rows, labels=names, step="post", zorder=1)
