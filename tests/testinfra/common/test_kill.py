"""systemd restarts killed services with little or no effect on users."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Browser, logged_in, summary

pytestmark = pytest.mark.disruptive

RESTART_SECONDS = 20


def kill(machine: Box, unit: str) -> None:
    """Kill the unit's main process, and wait until systemd has replaced it."""
    before = machine.main_pid(unit)
    assert before > 0, f"{unit} is not running"
    machine.root_output(f"kill -KILL {before}")
    wait_until(lambda: machine.main_pid(unit) not in (0, before), f"{unit} has a new main process", RESTART_SECONDS)
    wait_until(lambda: machine.is_active(unit), f"{unit} is active", RESTART_SECONDS)


def test_a_killed_service_restarts(any_server: Box) -> None:
    """Recovery must not depend on an operator."""
    kill(any_server, any_server.service)
    wait_until(lambda: any_server.is_active(*any_server.units), "all units are active", RESTART_SECONDS)


def test_a_killed_worker_causes_no_failed_request(ana: Browser, lab: Lab) -> None:
    """nginx retries the worker's requests on another backend, and Gunicorn starts a new worker."""
    backend = lab.tier("backends")[0]
    workers = f"pgrep --parent {backend.main_pid(backend.service)}"
    before = set(backend.output(workers).split())
    with ana.background_load() as answers:
        backend.root_output(f"kill -KILL {min(before)}")
        wait_until(
            lambda: len(now := set(backend.output(workers).split())) == len(before) and now != before,
            "Gunicorn has as many workers as before",
        )
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_a_killed_backend_causes_no_failed_request(ana: Browser, lab: Lab) -> None:
    """systemd keeps the socket open, so new requests wait, and nginx retries those in progress on another backend."""
    backend = lab.tier("backends")[-1]
    with ana.background_load() as answers:
        kill(backend, backend.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_a_backend_restart_causes_no_failed_request(ana: Browser, lab: Lab) -> None:
    """A deployment restarts each backend."""
    backend = lab.tier("backends")[0]
    with ana.background_load() as answers:
        backend.root_output("systemctl restart %s", backend.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_logged_in_users_are_unaffected_by_a_killed_database(ana: Browser, lab: Lab) -> None:
    """Only logins use the database."""
    mysql = lab.tier("mysql")[0]
    with ana.background_load() as answers:
        kill(mysql, mysql.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_sessions_survive_a_killed_redis(ana: Browser, lab: Lab) -> None:
    """Redis persists sessions to disk, so a crash logs no user out."""
    redis = lab.tier("redis")[0]
    before = ana.get("/perfil").json
    kill(redis, redis.service)
    after = ana.get_when_served("/perfil", "the session is available again").json
    assert (after["sessao"], after["usuario"]) == (before["sessao"], before["usuario"])
    assert after["visitas"] > before["visitas"]


def test_a_killed_name_server_answers_again(browser: Browser, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """Users can reach the site and log in after the restart."""
    nameserver = lab.tier("dns")[0]
    kill(nameserver, nameserver.service)
    wait_until(lambda: browser.get("/").status == 200, "the site's name resolves")
    logged_in(browser, demo_users[0])
