"""Redis requires authentication, restricts each account, and persists its data."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import Browser
from tests.testinfra.redis_wire import as_admin, as_app, primary, refusal, run_commands


@pytest.fixture(scope="module")
def a_backend(lab: Lab) -> Box:
    return lab.tier("backends")[0]


def test_commands_without_a_password_are_refused(a_backend: Box, redis: Box) -> None:
    """Access to the network alone must not expose the sessions."""
    replies = run_commands(a_backend, redis, ["PING"], ["KEYS", "*"], ["INFO"])
    assert [refusal(reply) for reply in replies] == ["NOAUTH"] * 3


def test_local_commands_without_a_password_are_refused(redis: Box) -> None:
    """Other programs on the machine must authenticate too."""
    cli = " ".join(redis.role("redis")["__redis_cli"])
    answers = redis.output(f"{cli} ping; {cli} -h {redis.address} ping")
    assert "NOAUTH" in answers
    assert "PONG" not in answers


def test_a_wrong_password_is_refused(a_backend: Box, redis: Box) -> None:
    """This applies to the configured accounts, the built-in default account and unknown accounts."""
    accounts = [account["name"] for account in redis.role("redis")["redis_accounts"]]
    for user in (*accounts, "default", "unknown"):
        for password in ("wrong", ""):
            replies = run_commands(a_backend, redis, ["AUTH", user, password], ["PING"])
            assert [refusal(reply) for reply in replies] == ["WRONGPASS", "NOAUTH"], user


def test_the_app_can_log_in(a_backend: Box, redis: Box) -> None:
    """The refusals above must not apply to the right password."""
    assert run_commands(a_backend, redis, as_app(redis), ["PING"]) == ["OK", "PONG"]


def test_the_app_can_use_session_keys(lab: Lab, a_backend: Box) -> None:
    """The account allows the commands that sessions need."""
    key, redis = "sess:lab-test", primary(lab)
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
def test_the_app_cannot_run_other_commands(a_backend: Box, redis: Box, command: str) -> None:
    """An attacker who controls a backend cannot list or delete all sessions, or stop Redis."""
    _, reply = run_commands(a_backend, redis, as_app(redis), command.split())
    assert refusal(reply) == "NOPERM"


@pytest.mark.parametrize("command", ["GET other", "SET other 1", "DEL other", "SET sessions 1"])
def test_the_app_cannot_access_other_keys(a_backend: Box, redis: Box, command: str) -> None:
    """Another application could share the same Redis safely."""
    _, reply = run_commands(a_backend, redis, as_app(redis), command.split())
    assert refusal(reply) == "NOPERM"


def test_the_administrator_can_log_in(a_backend: Box, redis: Box) -> None:
    """The administrator may run commands that the app may not."""
    _, account, keys = run_commands(a_backend, redis, as_admin(redis), ["ACL", "WHOAMI"], ["DBSIZE"])
    assert account == as_admin(redis)[1]
    assert isinstance(keys, int)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("appendonly", "yes", "a crash of Redis logs no user out"),
        ("maxmemory-policy", "noeviction", "a full Redis rejects new sessions instead of evicting existing ones"),
        ("protected-mode", "yes", "the last protection if the accounts are lost"),
    ],
)
def test_settings_are_in_effect(a_backend: Box, redis: Box, setting: str, value: str, reason: str) -> None:
    """The running server is queried because its file may not have been loaded."""
    _, reply = run_commands(a_backend, redis, as_admin(redis), ["CONFIG", "GET", setting])
    assert reply == [setting, value], reason


def test_memory_is_limited(a_backend: Box, redis: Box) -> None:
    """Without a limit, the kernel's OOM killer could end any process."""
    _, reply = run_commands(a_backend, redis, as_admin(redis), ["CONFIG", "GET", "maxmemory"])
    assert int(reply[1]) == redis.role("redis")["redis_maxmemory_mb"] * 1024**2


def test_cookies_are_stored_as_hashes(ana: Browser, a_backend: Box, redis: Box, app: Any) -> None:
    """A leaked database or backup must not contain valid cookies."""
    cookie = ana.cookie
    key = "sess:" + hashlib.sha256(cookie.encode()).hexdigest()
    _, keys, value, ttl = run_commands(a_backend, redis, as_admin(redis), ["KEYS", "*"], ["GET", key], ["TTL", key])
    assert key in keys
    assert 0 < ttl <= app["app_session_idle_seconds"]
    assert len(cookie) >= 32
    assert cookie not in value
    assert not [name for name in keys if cookie in name]
