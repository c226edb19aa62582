"""A real Redis with the rendered files: who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.templates.rendered import SECRETS, files, machines, text
from tests.workbench import Workbench

APP = ("revezamento", SECRETS["secret_redis_app"])
ADMIN = ("admin", SECRETS["secret_redis_admin"])
ANSWERS = 50  # tries of 0.1 s until it answers


class Redis:
    """Asks the Redis of redis1, one connection a question."""

    def __init__(self, bench: Workbench, address: str) -> None:
        self.bench, self.address = bench, address

    def __call__(self, *command: str, user: tuple[str, str] | None = None) -> str:
        login = ["--no-auth-warning", "--user", user[0], "--pass", user[1]] if user else []
        run = self.bench.run(["redis-cli", "-h", self.address, *login, *command])
        return (run.stderr + run.stdout).strip()


@pytest.fixture(scope="module")
def redis(workbench: Workbench) -> Iterator[Redis]:
    (machine,) = machines("redis")
    written = {file.dest: file.text for file in files(machine, "redis")}
    started = workbench.run(
        ["redis-server", "/etc/redis/redis.conf", "--supervised", "no", "--daemonize", "yes"], written
    )
    assert started.returncode == 0, started.stdout
    ask = Redis(workbench, machine.address)
    assert any("NOAUTH" in ask("ping") for _ in range(ANSWERS))
    yield ask
    ask("shutdown", "nosave", user=ADMIN)


def test_a_stranger_is_refused(redis: Redis) -> None:
    """The default user is off: no password, no answer."""
    assert "NOAUTH" in redis("get", "sess:x")
    assert "WRONGPASS" in redis("ping", user=("default", "guess"))


def test_the_app_may_keep_sessions(redis: Redis) -> None:
    """The opposite of the next test."""
    assert redis("set", "sess:x", "1", "ex", "60", user=APP) == "OK"
    assert redis("getex", "sess:x", user=APP) == "1"


@pytest.mark.parametrize("command", ["get other", "keys *", "flushall", "config get *", "acl list", "shutdown"])
def test_the_app_may_do_no_more(redis: Redis, command: str) -> None:
    """A hole in the app is no hole in Redis."""
    assert "NOPERM" in redis(*command.split(), user=APP)


def test_the_administrator_may(redis: Redis) -> None:
    """Somebody has to see and to stop it."""
    assert "maxmemory-policy" in redis("config", "get", "maxmemory-policy", user=ADMIN)


def test_full_means_no_new_sessions(redis: Redis) -> None:
    """With any other policy a full Redis logs users out at random."""
    assert redis("config", "get", "maxmemory-policy", user=ADMIN).split()[-1] == "noeviction"


def test_passwords_are_kept_as_hashes() -> None:
    """Who reads the file cannot log in with it."""
    assert not [name for name, value in SECRETS.items() if value in text("redis", "users.acl.j2")]
