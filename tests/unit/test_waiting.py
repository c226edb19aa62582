"""How long tests wait on slow machines."""

from __future__ import annotations

import pytest

from lab.waiting import slowness


def test_deadlines_grow_by_a_whole_number() -> None:
    """Without one, machines are as fast as real ones."""
    assert [slowness(told) for told in ("", "1", "10")] == [1, 1, 10]


@pytest.mark.parametrize("told", ["very", "0", "-3", "1.5", "²"])
def test_another_word_is_told_with_its_remedy(told: str) -> None:
    """A typing error ends with a sentence, not with a backtrace."""
    with pytest.raises(SystemExit, match="LAB_SLOW=10"):
        slowness(told)
