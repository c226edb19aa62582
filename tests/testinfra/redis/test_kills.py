"""The primary Redis is killed during a login or a logout: what was acknowledged stays, whichever Redis takes over.

KILLS=200 repeats each test that often.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Answer, Browser, logged_in
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


def during_a_kill(primary: Box, attempt: int, request: Callable[[], Answer]) -> Answer:
    """The answer to a request that is sent shortly before, or while, the primary is killed."""
    command = f"kill -KILL {primary.main_pid(primary.service)}"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(request)
        time.sleep(Random(attempt).uniform(0, LONGEST_PAUSE_SECONDS))
        primary.root_output(command)
        return answer.result()


@pytest.mark.parametrize("attempt", range(KILLS))
def test_an_acknowledged_login_survives(
    new_browser: Callable[[], Browser], demo_users: list[dict[str, str]], primary: Box, attempt: int
) -> None:
    """A login that cannot be kept is refused."""
    browser, user = new_browser(), demo_users[0]
    answer = during_a_kill(primary, attempt, lambda: browser.login(user["usuario"], user["senha"]))
    assert answer.status in (200, 503), answer
    if answer.status == 200:
        assert browser.get_when_served("/perfil", "the session is there").json["usuario"] == user["usuario"]


@pytest.mark.parametrize("attempt", range(KILLS))
def test_an_acknowledged_logout_survives(
    new_browser: Callable[[], Browser], demo_users: list[dict[str, str]], primary: Box, attempt: int
) -> None:
    """Nobody can use the session's cookie afterwards."""
    browser = logged_in(new_browser(), demo_users[0])
    cookie = browser.kept_cookie
    answer = during_a_kill(primary, attempt, browser.logout)
    assert answer.status in (204, 503), answer
    if answer.status == 204:
        # After the fail-over: a 503 says nothing.
        answers = [wait_until(lambda: served(browser, cookie), "the site answers") for _ in range(3)]
        assert [answer.status for answer in answers] == [401] * 3


def served(browser: Browser, cookie: str) -> Answer | None:
    answer = browser.get("/perfil", cookie=cookie)
    return answer if answer.status in (200, 401) else None
