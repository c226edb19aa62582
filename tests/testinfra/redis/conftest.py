"""Fixtures for the tests of several Redis."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab


@pytest.fixture(scope="module")
def members(lab: Lab) -> list[Box]:
    """The machines with Redis and Sentinel."""
    found = lab.tier("redis")
    if len(found) < 2:
        pytest.skip("there is a single Redis")
    return found
