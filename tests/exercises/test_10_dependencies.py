"""Exercise 10, done and done wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from lab.waiting import wait_until
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

MOMENT_SECONDS = 2
"""The logs have whole seconds: what happens around a stop belongs to neither side of it."""


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Stops Redis and MariaDB, one after the other, and sends the same four requests each time."""
    one = begin(10)
    login, stop_redis, ask, change, restore = (one.block(number) for number in range(5))
    start_redis, stop_mysql = change.splitlines()
    start_mysql, profile = restore.splitlines()
    one.on("client", login)
    one.here(stop_redis)
    redis = statuses(one, ask)
    one.here(start_redis)
    wait_until(
        lambda: '"ana"' in one.on("client", "curl -sb jar http://www.meutrabalho.com.br/perfil"), "Redis is back"
    )
    one.here(stop_mysql)
    mysql = statuses(one, ask)
    one.here(start_mysql)
    one.here(profile)
    one.answers = {f"redis_{kind}": status for kind, status in redis.items()}
    one.answers |= {f"mysql_{kind}": status for kind, status in mysql.items()}
    one.answers["same_session"] = "sim"
    yield one
    lab["client"].run("rm -f jar")


def statuses(student: Student, ask: str) -> dict[str, str]:
    time.sleep(MOMENT_SECONDS)
    printed = student.on("client", ask)
    time.sleep(MOMENT_SECONDS)
    return dict(re.findall(r"^(\w+) (\d{3})$", printed, re.MULTILINE))


def test_the_solution_passes(student: Student) -> None:
    """And each request gets what the design promises."""
    assert [student.answers[f"redis_{kind}"] for kind in ("page", "status", "profile", "login")] == [
        *("200", "200", "503", "503")
    ]
    assert [student.answers[f"mysql_{kind}"] for kind in ("page", "status", "profile", "login")] == [
        *("200", "200", "200", "503")
    ]
    student.passes()


@pytest.mark.parametrize(
    ("answers", "missed"),
    [
        ({"redis_profile": "401"}, {"test_redis_away"}),
        ({"mysql_profile": "503"}, {"test_mysql_away"}),
        ({"redis_login": "200", "mysql_login": ""}, {"test_redis_away", "test_mysql_away"}),
        ({"same_session": "no"}, {"test_the_session_is_the_same"}),
    ],
)
def test_a_wrong_answer_is_caught(student: Student, answers: dict[str, str], missed: set[str]) -> None:
    """Many take an outage of Redis for a logout, and believe that every request needs the database."""
    assert student.misses(answers) == missed


def test_answers_without_outages_are_caught(student: Student) -> None:
    """The journals know when each service was stopped."""
    assert student.misses(since=time.time()) == {
        "test_redis_was_stopped",
        "test_redis_away",
        "test_mysql_was_stopped",
        "test_mysql_away",
        "test_the_session_is_the_same",
    }


def test_a_service_that_is_still_stopped_is_caught(student: Student, lab: Lab) -> None:
    """The next exercise needs it."""
    mysql = lab.tier("mysql")[0]
    with mysql.stopped(*mysql.units):
        assert "test_everything_works_again" in student.misses()
