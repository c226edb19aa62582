"""site.yml updates one machine of a tier at a time, and stops at the first that does not become ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Lab
from lab.playbooks import run_playbook, tail
from tests.testinfra.browser import Answer, Browser, summary

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]

NO_REDIS = "127.0.0.1:1"
"""An address without a Redis server."""


def redis_settings(lab: Lab) -> dict[str, str]:
    """The Redis address that each backend is configured with."""
    setting = "grep ^REVEZAMENTO_REDIS= /etc/revezamento/revezamento.env"
    return lab.everywhere(lambda box: box.root_output(setting).partition("=")[2], lab.tier("backends"))


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, str]:
    return redis_settings(lab)


@pytest.fixture
def answers(lab: Lab, ana: Browser, before: dict[str, str], tmp_path: Path) -> Iterator[list[Answer]]:
    """A user's answers during the rollout of a broken change, which is reverted afterwards."""
    log, backends = tmp_path / "ansible.log", ("--tags=app", "--limit=backends")
    try:
        with ana.background_load(at_least=5) as answers:
            code = run_playbook("site.yml", *backends, variables={"app_redis_addresses": [NO_REDIS]}, log=log)
        assert code > 0, f"the rollout succeeded although no backend can become ready:\n{tail(log)}"
        yield answers
    finally:
        assert run_playbook("site.yml", *backends, log=log) == 0, tail(log)


def test_a_bad_change_stops_at_the_first_machine(lab: Lab, before: dict[str, str], answers: list[Answer]) -> None:
    """The other backends keep the working configuration and serve users."""
    first, *others = lab.names("backends")
    now = redis_settings(lab)
    assert now[first] == NO_REDIS
    assert {name: now[name] for name in others} == {name: before[name] for name in others}
    assert {answer.backend for answer in answers if answer.status == 200} >= set(others), summary(answers)
