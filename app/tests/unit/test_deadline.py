"""All waits of a request share one deadline."""

import math
import time

import pytest

from revezamento import deadline


def test_outside_a_request_there_is_no_deadline() -> None:
    """The command line may take its time."""
    assert deadline.left(math.inf) == math.inf


def test_a_wait_ends_with_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of several waits alone would be short enough, but not all of them together."""
    monkeypatch.setattr(deadline, "REQUEST_SECONDS", 0.1)
    with deadline.of_request():
        assert deadline.left(5) <= 0.1
        time.sleep(0.1)
        assert deadline.left(5) == 0
    assert deadline.left(5) == 5


def test_work_is_not_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a hash takes long; a fail-over may follow."""
    monkeypatch.setattr(deadline, "REQUEST_SECONDS", 0.1)
    with deadline.of_request():
        with deadline.of_work():
            time.sleep(0.1)
        assert deadline.left(5) > 0
