"""A run interrupted after it wrote a configuration but before it restarted the daemon is repaired by the next run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from tests.testinfra.redis_wire import as_admin, run_commands

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]

CALLBACKS = Path(__file__).with_name("callbacks")


@dataclass(frozen=True)
class Case:
    """One daemon: its role, a changed setting, and a function that reads the value in effect."""

    role: str
    tier: str
    variables: dict[str, Any]
    effective_value: Callable[[Lab, Box], str]
    expected: str


def max_clients(lab: Lab, box: Box) -> str:
    return str(run_commands(lab.tier("backends")[0], box, as_admin(box), ["CONFIG", "GET", "maxclients"])[1][1])


def login_window(lab: Lab, box: Box) -> str:
    environment = box.root_output(f"tr '\\0' '\\n' < /proc/{box.main_pid(box.service)}/environ")
    return dict(line.split("=", 1) for line in environment.splitlines())["REVEZAMENTO_LOGIN_WINDOW_SECONDS"]


def content_security_policy(lab: Lab, box: Box) -> str:
    headers = box.output("curl --silent --head %s", f"http://{box.address}:{box.vars['nginx_port']}/")
    return next(line.partition(": ")[2] for line in headers.splitlines() if line.startswith("Content-Security-Policy"))


CASES = [
    Case(
        "common",
        "clients",
        {"common_journal_max_mb": 65},
        lambda _, box: box.root_output(
            "journalctl --unit=systemd-journald --output=cat --grep='System Journal' | tail -n 1 | grep -o 'max [^,]*'"
        ),
        "max 65M",
    ),
    Case(
        "nftables",
        "redis",
        {"allow_more": [{"to": "redis", "proto": "tcp", "ports": [26379], "from": []}]},
        lambda _, box: box.root_output("nft list ruleset | grep -c 26379 || true"),
        "1",
    ),
    Case(
        "mysql",
        "mysql",
        {"mysql_max_connections": 101},
        lambda _, box: box.root_output("mariadb --batch --skip-column-names --execute='SELECT @@max_connections'"),
        "101",
    ),
    Case("redis", "redis", {"redis_maxclients": 1001}, max_clients, "1001"),
    Case("app", "backends", {"app_login_window_seconds": 301}, login_window, "301"),
    Case(
        "nginx",
        "frontends",
        {"nginx_content_security_policy": "default-src 'self'"},
        content_security_policy,
        "default-src 'self'",
    ),
    Case(
        "bind",
        "dns",
        {"bind_ttl_seconds": 7},
        lambda lab, box: box.output(
            f"dig @{box.address} +noall +answer {lab.site_name} A | awk 'NR == 1 {{ print $2 }}'"
        ),
        "7",
    ),
]
ALL_VARIABLES = {name: value for case in CASES for name, value in case.variables.items()}


def interrupt(lab: Lab, case: Case, log: Path) -> None:
    """Run one role on one machine, with the changed setting, until it comes to its daemon."""
    at_daemon = {
        "CUT_OFF_AT": "daemon",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "cut_off",
    }
    part = (f"--tags={case.role}", f"--limit={lab.tier(case.tier)[0].name}")
    code = run_playbook("site.yml", *part, variables=case.variables, environment=at_daemon, log=log)
    assert code == -signal.SIGKILL, f"{case.role} was not interrupted at its daemon:\n{tail(log)}"


@pytest.fixture(scope="module")
def effective_values(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, str]]]:
    """Each daemon's value after the interrupted run and after the next one."""
    folder = tmp_path_factory.mktemp("cut_off")
    log = folder / "ansible.log"
    limit = "--limit=" + ",".join(lab.tier(case.tier)[0].name for case in CASES)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda case: interrupt(lab, case, folder / f"{case.role}.log"), CASES))
        before = {case.role: case.effective_value(lab, lab.tier(case.tier)[0]) for case in CASES}
        assert run_playbook("site.yml", limit, variables=ALL_VARIABLES, log=log) == 0, tail(log)
        yield {case.role: (before[case.role], case.effective_value(lab, lab.tier(case.tier)[0])) for case in CASES}
    finally:
        assert run_playbook("site.yml", limit, log=log) == 0, tail(log)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.role)
def test_the_next_run_repairs_an_interrupted_one(case: Case, effective_values: dict[str, tuple[str, str]]) -> None:
    """The file is already up to date, so the run must notice that the daemon still uses the old one."""
    before, after = effective_values[case.role]
    assert before != case.expected, "the daemon already had the new configuration before the repairing run"
    assert after == case.expected
