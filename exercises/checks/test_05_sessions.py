"""Exercise 5: the student's cookies, compared with the keys in Redis and what the frontends answer now."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable

import pytest

from exercises.evidence import Evidence
from exercises.judge import Found
from exercises.sheet import Answers
from lab.machines import Lab

GET = """
import json, os, subprocess, sys
argument = json.load(sys.stdin)
command = [*argument["cli"], "--user", "admin", "--no-auth-warning", "GET", argument["key"]]
environment = os.environ | {"REDISCLI_AUTH": argument["password"]}
done = subprocess.run(command, env=environment, capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
json.dump(done.stdout.strip(), sys.stdout)
"""
ANSWER_SECONDS = 15

Redis = Callable[[str], str]
"""Reads a key; '' if there is none."""


def key_of(cookie: str) -> str:
    return f"sess:{hashlib.sha256(cookie.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def redis(lab: Lab) -> Redis:
    box, password = lab.tier("redis")[0], lab.secrets["secret_redis_admin"]
    cli = box.role("redis")["__redis_cli"]
    return lambda key: str(box.python(GET, {"key": key, "password": password, "cli": cli}))


@pytest.fixture(scope="module")
def users(lab: Lab) -> list[dict[str, str]]:
    """The demo users: ana and bruno."""
    return list(lab.tier("backends")[0].role("app")["app_demo_users"])


def status(lab: Lab, address: str, cookie: str) -> int:
    """What a frontend answers to a request for the profile with this cookie."""
    name = str(lab.tier("backends")[0].role("app")["app_cookie_name"])
    connection = http.client.HTTPConnection(address, lab.site_port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/perfil", headers={"Host": lab.site_name, "Cookie": f"{name}={cookie}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_key_is_the_hash(answers: Answers, found: Found) -> None:
    assert found(answers.text("ana_key")) == key_of(answers.text("ana_cookie"))


def test_the_session_is_in_redis(answers: Answers, redis: Redis, users: list[dict[str, str]], found: Found) -> None:
    session = redis(key_of(answers.text("ana_cookie")))
    assert found(json.loads(session)["usuario"] if session else "") == users[0]["usuario"]


def test_idle(answers: Answers, lab: Lab, found: Found) -> None:
    seconds = lab.tier("backends")[0].role("app")["app_session_idle_seconds"]
    assert found(answers.number("idle_minutes")) == seconds / 60


def test_no_password(answers: Answers, redis: Redis, users: list[dict[str, str]], found: Found) -> None:
    said = found(answers.yes("has_password"))
    session = redis(key_of(answers.text("ana_cookie")))
    assert session
    assert said is (users[0]["senha"] in session)


def test_bruno_logged_out(evidence: Evidence, lab: Lab, users: list[dict[str, str]], found: Found) -> None:
    logs = lab.everywhere(lambda box: evidence.app_lines(box, "logout"), lab.tier("backends"))
    names = {line.get("usuario") for log in logs.values() for line in log if line["event"] == "logout"}
    assert users[1]["usuario"] in found(names)


def test_the_old_cookie_is_worthless(answers: Answers, lab: Lab, redis: Redis, found: Found) -> None:
    cookie = answers.text("bruno_cookie")
    said = answers.number("bruno_status")
    statuses = found({box.name: status(lab, box.address, cookie) for box in lab.tier("frontends")})
    assert set(statuses.values()) == {401}
    assert redis(key_of(cookie)) == ""
    assert said == 401
    assert len(cookie) == len(answers.text("ana_cookie"))
    assert cookie != answers.text("ana_cookie")
