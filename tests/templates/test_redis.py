"""The permissions of the accounts, on a real Redis with the rendered files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.templates.rendered import SECRETS, files, machines, text
from tests.workbench import Workbench

APP = ("revezamento", SECRETS["secret_redis_app"])
ADMIN = ("admin", SECRETS["secret_redis_admin"])
ANSWERS = 50  # tries of 0.1 s until it answers


class Redis:
    """Sends commands to the Redis of redis1, each over its own connection."""

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


def test_clients_without_an_account_are_refused(redis: Redis) -> None:
    """The default user is off."""
    assert "NOAUTH" in redis("get", "sess:x")
    assert "WRONGPASS" in redis("ping", user=("default", "guess"))


def test_the_app_can_store_sessions(redis: Redis) -> None:
    """The permissions are sufficient."""
    assert redis("set", "sess:x", "1", "ex", "60", user=APP) == "OK"
    assert redis("getex", "sess:x", user=APP) == "1"


@pytest.mark.parametrize("command", ["get other", "keys *", "flushall", "config get *", "acl list", "shutdown"])
def test_the_app_can_do_nothing_else(redis: Redis, command: str) -> None:
    """A compromised app does not compromise Redis."""
    assert "NOPERM" in redis(*command.split(), user=APP)


def test_the_administrator_can_read_the_configuration(redis: Redis) -> None:
    """Administrators need an account to inspect Redis and to stop it."""
    assert "maxmemory-policy" in redis("config", "get", "maxmemory-policy", user=ADMIN)


def test_a_full_redis_refuses_new_sessions(redis: Redis) -> None:
    """With any other policy, a full Redis evicts sessions and logs users out."""
    assert redis("config", "get", "maxmemory-policy", user=ADMIN).split()[-1] == "noeviction"


def test_passwords_are_stored_as_hashes() -> None:
    """Reading the file is not enough to log in."""
    assert not [name for name, value in SECRETS.items() if value in text("redis", "users.acl.j2")]
