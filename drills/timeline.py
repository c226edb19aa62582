"""The picture of a drill: who answered how many, when, and how long users waited; with the fault marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import floor
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # draws into files, on machines without a screen

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from drills.events import Event
from drills.oracle import Judgement, Marks, judge

COLOURS = {
    Judgement.GOOD: "#7a8b99",
    Judgement.FAILED: "#e69f00",
    Judgement.LOST: "#cc79a7",
    Judgement.WRONG: "#d00000",
}
"""Told apart also by who sees no red or green."""

STEP_SECONDS = 0.5


def draw(path: Path, name: str, events: Sequence[Event], marks: Marks) -> None:
    """Write the PNG; the time axis is seconds from the moment in which something broke."""
    figure, (by_frontend, by_backend, waits) = plt.subplots(
        3, 1, figsize=(10, 7), sharex=True, layout="constrained", height_ratios=(1, 1, 1.4)
    )
    try:
        _stack(by_frontend, [(event.end - marks.broke, event.frontend) for event in events if event.frontend])
        _stack(by_backend, [(event.end - marks.broke, event.backend) for event in events if event.backend])
        for kind, colour in COLOURS.items():
            chosen = [event for event in events if judge(event) is kind]
            x, y = [event.at - marks.broke for event in chosen], [max(event.seconds, 1e-3) for event in chosen]
            size = 6 if kind is Judgement.GOOD else 22
            waits.scatter(x, y, s=size, color=colour, label=f"{kind}: {len(chosen)}", linewidths=0)
        waits.set_yscale("log")
        waits.set_ylabel("seconds an answer took")
        waits.set_xlabel("seconds since something broke")
        by_frontend.set_ylabel("answers a second,\nby frontend")
        by_backend.set_ylabel("answers a second,\nby backend")
        for axes in (by_frontend, by_backend, waits):
            axes.axvspan(0, max(marks.returned - marks.broke, 0.1), color="#f5d6d6", zorder=0)
            axes.set_xlim(marks.began - marks.broke, marks.ended - marks.broke)
            handles, _ = axes.get_legend_handles_labels()
            if handles:
                axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        figure.suptitle(name)
        figure.savefig(path, dpi=100)
    finally:
        plt.close(figure)


def _stack(axes: Axes, answers: Sequence[tuple[float, str]]) -> None:
    """Answers a second of each machine, one on top of the other."""
    count = Counter((floor(moment / STEP_SECONDS), name) for moment, name in answers)
    if not count:
        return
    steps = range(min(step for step, _ in count), max(step for step, _ in count) + 1)
    names = sorted({name for _, name in count})
    rows = [[count[step, name] / STEP_SECONDS for step in steps] for name in names]
    axes.stackplot([step * STEP_SECONDS for step in steps], rows, labels=names, step="post", zorder=1)
