"""What a check looks at: the lab, the student's answers, and what the machines recorded."""

from __future__ import annotations

import pytest

from exercises.evidence import Evidence
from exercises.judge import CASE, Found
from exercises.sheet import Answers
from lab.machines import Box, Lab


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    return pytestconfig.stash[CASE].lab


@pytest.fixture(scope="session")
def client(lab: Lab) -> Box:
    """The user's computer."""
    return lab.tier("clients")[0]


@pytest.fixture(scope="session")
def answers(pytestconfig: pytest.Config) -> Answers:
    return pytestconfig.stash[CASE].answers


@pytest.fixture(scope="session")
def evidence(pytestconfig: pytest.Config) -> Evidence:
    return pytestconfig.stash[CASE].evidence


@pytest.fixture
def found(request: pytest.FixtureRequest) -> Found:
    return Found(request.node.user_properties)
