"""Exercise 5, done and done wrong."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest

from lab.machines import Lab
from tests.exercises.conftest import Begin
from tests.exercises.student import Student


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Logs both users in and one out, and reads the keys in Redis as the page says."""
    one = begin(5)
    *_, ana, bruno, digest_line = one.on("client", one.block(0)).splitlines()
    values = dict(line.split() for line in (ana, bruno))
    digest = digest_line.split()[0]
    redis = one.here(one.block(1).replace("HASH", digest))
    assert f"sess:{digest}" in redis.splitlines()
    assert '"ana"' in redis
    statuses = one.on("client", one.block(2)).split()[-3:]
    one.answers = {
        "ana_cookie": values["ana"],
        "ana_key": f"sess:{digest}",
        "idle_minutes": str(round(int(redis.split()[-1]) / 60)),
        "has_password": "no",
        "bruno_cookie": values["bruno"],
        "bruno_status": statuses[0],
    }
    yield one
    lab["client"].run("rm -f ana bruno")


def test_the_solution_passes(student: Student) -> None:
    student.passes()


def test_the_hash_of_a_line_is_caught(student: Student) -> None:
    """`echo` adds a line break, and so the hash is another one."""
    digest = hashlib.sha256(f"{student.answers['ana_cookie']}\n".encode()).hexdigest()
    assert student.misses({"ana_key": f"sess:{digest}"}) == {"test_the_key_is_the_hash"}


def test_a_session_that_is_still_there_is_caught(student: Student) -> None:
    """The cookie of ana, who is logged in, is not one of an ended session."""
    assert student.misses({"bruno_cookie": student.answers["ana_cookie"]}) == {"test_the_old_cookie_is_worthless"}


def test_wrong_answers_are_caught(student: Student) -> None:
    """The lifetime of a session is not how long it may be idle, and 403 is not 401."""
    wrong = {"idle_minutes": "720", "bruno_status": "403", "has_password": "sim"}
    assert student.misses(wrong) == {"test_idle", "test_the_old_cookie_is_worthless", "test_no_password"}


def test_a_cookie_that_nobody_got_is_caught(student: Student) -> None:
    """Redis has no session under its hash."""
    invented = "x" * 43
    digest = hashlib.sha256(invented.encode()).hexdigest()
    missed = student.misses({"ana_cookie": invented, "ana_key": f"sess:{digest}"})
    assert missed == {"test_the_session_is_in_redis", "test_no_password"}


def test_a_user_who_did_not_log_out_is_caught(student: Student) -> None:
    """The journals have no logout since the exercise was begun."""
    assert student.misses(since=time.time()) == {"test_bruno_logged_out"}
