"""The machines of a tier by their positions, which say nothing about their addresses."""

from collections.abc import Collection, Sequence


def positions(found: Collection[object], known: Sequence[object]) -> list[int] | None:
    """Return where `found` are among `known`, counted from 1 and sorted, or None if one of them is not."""
    return sorted(known.index(one) + 1 for one in found) if all(one in known for one in found) else None
