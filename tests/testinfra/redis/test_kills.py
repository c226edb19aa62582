"""The primary Redis is killed during a login and a logout: what was acknowledged stays, whichever Redis takes over.

KILLS=200 repeats it that often; pytest's --junit-xml records how each request was answered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Answer, Browser, Request, logged_in
from tests.testinfra.redis_wire import primary as primary_of

pytestmark = pytest.mark.disruptive

KILLS = int(os.environ.get("KILLS", "2"))
LONGEST_PAUSE_SECONDS = 0.4
"""A request through SSH and curl takes about half of this."""


@pytest.fixture
def primary(lab: Lab, members: list[Box]) -> Iterator[Box]:
    """The primary of a complete tier; waits at the end until it is complete again."""

    def is_complete() -> bool:
        return all(lab.everywhere(lambda box: box.root(box.role_command).succeeded, members).values())

    wait_until(is_complete, "all Redis have the data", 60)
    yield primary_of(lab)
    wait_until(is_complete, "all Redis have the data", 60)


def during_a_kill(primary: Box, attempt: int, *requests: Callable[[], Answer]) -> list[Answer]:
    """The answers to requests that are sent shortly before, or while, the primary is killed."""
    command = f"kill -KILL {primary.main_pid(primary.service)}"
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(request) for request in requests]
        time.sleep(Random(attempt).uniform(0, LONGEST_PAUSE_SECONDS))
        primary.root_output(command)
        return [answer.result() for answer in answers]


@pytest.mark.parametrize("attempt", range(KILLS))
def test_what_was_acknowledged_survives(
    new_browser: Callable[[], Browser],
    demo_users: list[dict[str, str]],
    primary: Box,
    attempt: int,
    record_property: Callable[[str, object], None],
) -> None:
    """A login and a logout begin shortly before, or while, the primary is killed. Each is kept, or refused."""
    arriving, leaving = new_browser(), logged_in(new_browser(), demo_users[1])
    user, cookie = demo_users[0], leaving.kept_cookie
    requests = [lambda: arriving.login(user["usuario"], user["senha"]), leaving.logout]
    login, logout = during_a_kill(primary, attempt, *requests)
    record_property("login", login.status)
    record_property("logout", logout.status)
    assert login.status in (200, 503), login
    assert logout.status in (204, 503), logout
    if login.status == 200:
        assert arriving.get_when_served("/perfil", "the session is there").json["usuario"] == user["usuario"]
    if logout.status == 204:
        # After the fail-over: a 503 says nothing.
        answers = [wait_until(lambda: served(leaving, cookie), "the site answers") for _ in range(3)]
        assert [answer.status for answer in answers] == [401] * 3


@pytest.mark.parametrize("attempt", range(KILLS))
def test_an_acknowledged_logout_everywhere_survives(
    new_browser: Callable[[], Browser], demo_users: list[dict[str, str]], primary: Box, attempt: int
) -> None:
    """Neither this browser nor the other one can go on."""
    browser, phone = (logged_in(new_browser(), demo_users[0]) for _ in range(2))
    cookies = [browser.kept_cookie, phone.kept_cookie]
    everywhere = Request(path="/sessoes", method="DELETE")
    (answer,) = during_a_kill(primary, attempt, lambda: browser.send([everywhere])[0])
    assert answer.status in (204, 503), answer
    if answer.status == 204:
        answers = [wait_until(partial(served, browser, cookie), "the site answers") for cookie in cookies]
        assert [answer.status for answer in answers] == [401, 401]


def served(browser: Browser, cookie: str) -> Answer | None:
    answer = browser.get("/perfil", cookie=cookie)
    return answer if answer.status in (200, 401) else None
