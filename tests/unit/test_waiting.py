"""LAB_SLOW, the factor for deadlines on slow machines."""

from __future__ import annotations

import pytest

from lab.waiting import slowness


def test_the_factor_is_a_positive_integer() -> None:
    """The default is 1."""
    assert [slowness(value) for value in ("", "1", "10")] == [1, 1, 10]


@pytest.mark.parametrize("value", ["very", "0", "-3", "1.5", "²"])
def test_an_invalid_value_is_reported_with_a_remedy(value: str) -> None:
    """A typo gives a message instead of a backtrace."""
    with pytest.raises(SystemExit, match="LAB_SLOW=10"):
        slowness(value)
