"""site.yml changes one machine of a tier at a time, and stops at the first one that does not become ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Lab
from lab.playbooks import run_playbook, tail
from tests.testinfra.browser import Answer, Browser, summary

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]

NO_REDIS = "127.0.0.1:1"
"""An address at which no Redis answers."""


def redis_of(lab: Lab) -> dict[str, str]:
    """The Redis that each backend is configured to use."""
    setting = "grep ^REVEZAMENTO_REDIS= /etc/revezamento/revezamento.env"
    return lab.everywhere(lambda box: box.root_output(setting).partition("=")[2], lab.tier("backends"))


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, str]:
    return redis_of(lab)


@pytest.fixture
def answers(lab: Lab, ana: Browser, before: dict[str, str], tmp_path: Path) -> Iterator[list[Answer]]:
    """What a user gets while a change arrives that makes a backend useless. Afterwards the change is taken back."""
    log, backends = tmp_path / "ansible.log", ("--tags=app", "--limit=backends")
    try:
        with ana.background_load(at_least=5) as answers:
            code = run_playbook("site.yml", *backends, variables={"app_redis_addresses": [NO_REDIS]}, log=log)
        assert code > 0, f"the change was rolled out although no backend becomes ready with it:\n{tail(log)}"
        yield answers
    finally:
        assert run_playbook("site.yml", *backends, log=log) == 0, tail(log)


def test_a_bad_change_stops_at_the_first_machine(lab: Lab, before: dict[str, str], answers: list[Answer]) -> None:
    """The others keep what works, and users are served by them."""
    first, *others = lab.names("backends")
    now = redis_of(lab)
    assert now[first] == NO_REDIS
    assert {name: now[name] for name in others} == {name: before[name] for name in others}
    assert {answer.backend for answer in answers if answer.status == 200} >= set(others), summary(answers)
