"""Redis lets in whom it should, for what it should, and keeps what it was given."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import Browser
from tests.testinfra.redis_wire import as_admin, as_app, refusal, run_commands


@pytest.fixture(scope="module")
def a_backend(lab: Lab) -> Box:
    return lab.tier("backends")[0]


def test_it_talks_to_nobody_without_a_password(a_backend: Box, redis: Box) -> None:
    """Being a backend is not enough: a hole in the network must not open the sessions."""
    replies = run_commands(a_backend, redis, ["PING"], ["KEYS", "*"], ["INFO"])
    assert [refusal(reply) for reply in replies] == ["NOAUTH"] * 3


def test_it_talks_to_nobody_on_the_machine_itself(redis: Box) -> None:
    """Loopback is no password either: other programs of the machine have no business in it."""
    assert "NOAUTH" in redis.output("redis-cli ping; redis-cli -h %s ping", redis.address)
    assert "PONG" not in redis.output("redis-cli ping; redis-cli -h %s ping", redis.address)


def test_a_wrong_password_is_refused(a_backend: Box, redis: Box) -> None:
    """To every account there is, to the one that every Redis has, and to one that is not there."""
    accounts = [account["name"] for account in redis.role("redis")["redis_accounts"]]
    for user in (*accounts, "default", "nobody"):
        for password in ("wrong", ""):
            replies = run_commands(a_backend, redis, ["AUTH", user, password], ["PING"])
            assert [refusal(reply) for reply in replies] == ["WRONGPASS", "NOAUTH"], user


def test_the_app_is_let_in(a_backend: Box, redis: Box) -> None:
    """The positive case: the same words with the right password."""
    assert run_commands(a_backend, redis, as_app(redis), ["PING"]) == ["OK", "PONG"]


def test_the_app_may_do_its_work(a_backend: Box, redis: Box) -> None:
    """Its keys, its commands."""
    key = "sess:lab-test"
    replies = run_commands(
        a_backend, redis, as_app(redis), ["SET", key, "1", "EX", "5"], ["GETEX", key, "EX", "5"], ["DEL", key]
    )
    assert replies == ["OK", "OK", "1", 1]


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "CONFIG SET save ''",
        "KEYS *",
        "SCAN 0",
        "ACL LIST",
        "ACL WHOAMI",
        "SHUTDOWN NOSAVE",
        "MONITOR",
        "INFO",
        "CLIENT LIST",
        "REPLICAOF NO ONE",
        "MODULE LIST",
        "SAVE",
    ],
)
def test_the_app_may_do_nothing_else(a_backend: Box, redis: Box, command: str) -> None:
    """Who takes over a backend cannot empty, stop or read out the sessions of everybody."""
    _, reply = run_commands(a_backend, redis, as_app(redis), command.split())
    assert refusal(reply) == "NOPERM"


@pytest.mark.parametrize("command", ["GET other", "SET other 1", "DEL other", "SET sessions 1"])
def test_the_app_may_touch_no_other_keys(a_backend: Box, redis: Box, command: str) -> None:
    """Another application in the same Redis would be safe from this one."""
    _, reply = run_commands(a_backend, redis, as_app(redis), command.split())
    assert refusal(reply) == "NOPERM"


def test_the_administrator_is_let_in(a_backend: Box, redis: Box) -> None:
    """The opposite of all that is refused above: it is not refused to everybody."""
    _, who, keys = run_commands(a_backend, redis, as_admin(redis), ["ACL", "WHOAMI"], ["DBSIZE"])
    assert who == as_admin(redis)[1]
    assert isinstance(keys, int)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("appendonly", "yes", "a crash of Redis logs nobody out"),
        ("maxmemory-policy", "noeviction", "full means no new sessions, never lost ones"),
        ("protected-mode", "yes", "the last guard if the accounts were lost"),
    ],
)
def test_it_keeps_what_it_was_given(a_backend: Box, redis: Box, setting: str, value: str, reason: str) -> None:
    """Asked of the running server: a file that was not loaded proves nothing."""
    _, told = run_commands(a_backend, redis, as_admin(redis), ["CONFIG", "GET", setting])
    assert told == [setting, value], reason


def test_it_has_a_limit_on_memory(a_backend: Box, redis: Box) -> None:
    """Without one the kernel chooses whom to kill."""
    _, told = run_commands(a_backend, redis, as_admin(redis), ["CONFIG", "GET", "maxmemory"])
    assert int(told[1]) == redis.role("redis")["redis_maxmemory_mb"] * 1024**2


def test_it_holds_no_cookie_that_one_could_use(ana: Browser, a_backend: Box, redis: Box, app: Any) -> None:
    """A copy of the database, or a backup of it, gives nobody a session: the key is the cookie's hash."""
    cookie = ana.cookie
    key = "sess:" + hashlib.sha256(cookie.encode()).hexdigest()
    _, keys, value, ttl = run_commands(a_backend, redis, as_admin(redis), ["KEYS", "*"], ["GET", key], ["TTL", key])
    assert key in keys
    assert 0 < ttl <= app["app_session_idle_seconds"]
    assert len(cookie) >= 32
    assert cookie not in value
    assert not [name for name in keys if cookie in name]
