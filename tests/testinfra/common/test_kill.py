"""Processes die. systemd starts them again, and users are told as little of it as can be."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Browser, logged_in, summary

pytestmark = pytest.mark.disruptive

RESTART_SECONDS = 20


def killed(machine: Box, unit: str) -> None:
    """Kill the main process, and wait until another one has taken its place."""
    before = machine.main_pid(unit)
    assert before > 0, f"{unit} does not run"
    machine.root_output(f"kill -KILL {before}")
    wait_until(lambda: machine.main_pid(unit) not in (0, before), f"{unit} has a new main process", RESTART_SECONDS)
    wait_until(lambda: machine.is_active(unit), f"{unit} is active", RESTART_SECONDS)


def test_a_service_that_is_killed_comes_back(any_server: Box) -> None:
    """Nobody sits beside the machine to start it."""
    killed(any_server, any_server.service)
    wait_until(lambda: any_server.is_active(*any_server.units), "all its units are active", RESTART_SECONDS)


def test_a_worker_that_is_killed_fails_no_request(ana: Browser, lab: Lab) -> None:
    """nginx asks the next backend what the dead worker did not answer; Gunicorn makes a new one."""
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


def test_a_backend_that_is_killed_fails_no_request(ana: Browser, lab: Lab) -> None:
    """systemd holds the socket meanwhile: new requests wait, and nginx asks others what was under way."""
    backend = lab.tier("backends")[-1]
    with ana.background_load() as answers:
        killed(backend, backend.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_a_backend_that_is_restarted_fails_no_request(ana: Browser, lab: Lab) -> None:
    """This is what a deploy does to each backend."""
    backend = lab.tier("backends")[0]
    with ana.background_load() as answers:
        backend.root_output("systemctl restart %s", backend.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_a_database_that_is_killed_is_not_noticed_by_who_is_logged_in(ana: Browser, lab: Lab) -> None:
    """Only a login needs it; and the next login finds the way back by itself."""
    mysql = lab.tier("mysql")[0]
    with ana.background_load() as answers:
        killed(mysql, mysql.service)
    assert {answer.status for answer in answers} == {200}, summary(answers)


def test_sessions_outlive_redis(ana: Browser, lab: Lab) -> None:
    """What it was given is on the disk before it dies: nobody is logged out."""
    redis = lab.tier("redis")[0]
    before = ana.get("/perfil").json
    killed(redis, redis.service)
    after = ana.get_when_served("/perfil", "the session is there again").json
    assert (after["sessao"], after["usuario"]) == (before["sessao"], before["usuario"])
    assert after["visitas"] > before["visitas"]


def test_a_name_server_that_is_killed_answers_again(
    browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """A user waits a moment for the name, and comes in."""
    nameserver = lab.tier("dns")[0]
    killed(nameserver, nameserver.service)
    wait_until(lambda: browser.get("/").status == 200, "the site is found by its name")
    logged_in(browser, demo_users[0])
