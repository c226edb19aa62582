"""The Mann-Whitney U test: whether values of one kind tend to be larger than those of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import erfc, sqrt


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the share of pairs in which the first value is larger, and the two-sided p-value.

    The share is 0.5 for two alike distributions. The p-value is the normal approximation with corrections for ties and
    continuity, good enough for 20 values of each.
    """
    values = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    n, m, total = len(first), len(second), len(values)
    ranks, ties, done = 0.0, 0, 0
    for _, group in groupby(values, key=lambda one: one[0]):
        kinds = [kind for _, kind in group]
        size = len(kinds)
        ranks += kinds.count(0) * (done + (size + 1) / 2)
        ties += size**3 - size
        done += size
    u = ranks - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    distance = max(0.0, abs(u - n * m / 2) - 0.5)
    return u / (n * m), erfc(distance / sqrt(2 * variance)) if variance else 1.0
