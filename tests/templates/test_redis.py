"""The permissions of the accounts, on a real Redis with the rendered files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from lab.inventory import ROLES, Inventory
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


FORMER = {"redis_app": "app-before", "redis_admin": "admin-before"}


@pytest.mark.parametrize("role_and_src", ["redis users.acl.j2", "sentinel sentinel.acl.j2"])
def test_an_account_has_the_password_before_as_well(role_and_src: str) -> None:
    """In no order: the file changes only if another password becomes valid."""
    role, src = role_and_src.split()
    new, old = SECRETS["secret_redis_app"], FORMER["redis_app"]
    hashes = {hashlib.sha256(password.encode()).hexdigest() for password in (new, old)}
    forms = [
        SECRETS | {"secret_redis_app": used, "previous_secrets": {"redis_app": before}}
        for used, before in ((new, old), (old, new))
    ]
    redis1 = [Inventory.load("inventory/ha", overrides=overrides).machine("redis1") for overrides in forms]
    one, other = ([file.text for file in files(machine, role, src)] for machine in redis1)
    assert one == other
    line = next(line for line in one[0].splitlines() if line.startswith("user revezamento "))
    assert set(re.findall(r"#(\w+)", line)) == hashes


def change(previous: dict[str, str], **secrets: str) -> str:
    """What the role tells a running Redis."""
    overrides = SECRETS | secrets | {"previous_secrets": previous}
    role = Inventory.load("inventory/lab", overrides=overrides).machine("redis1").role("redis")
    tasks = role.loader.load_from_file(str(ROLES / "redis" / "tasks" / "accounts.yml"), trusted_as_template=True)
    (task,) = (task for task in tasks if "ansible.builtin.command" in task)
    return str(role.vars.templar.template(task["ansible.builtin.command"]["stdin"]))


def test_a_running_redis_changes_passwords_and_keeps_connections(workbench: Workbench, redis: Redis) -> None:
    """Both are valid, then only the new one. Whoever is connected stays connected, whatever the password was."""
    former, new = APP, (APP[0], "another-password")

    def apply(previous: dict[str, str], **secrets: str) -> str:
        run = ["sh", "-c", f"redis-cli -h {redis.address} </tmp/change"]
        return workbench.run(run, {"/tmp/change": change(previous, **secrets)}).stdout

    connected = f"(echo AUTH {' '.join(former)}; sleep 3; echo PING) | redis-cli -h {redis.address} >/tmp/connected &"
    workbench.run(["sh", "-c", connected])
    try:
        assert "OK" in apply({"redis_app": former[1]}, secret_redis_app=new[1])
        assert [redis("ping", user=user) for user in (former, new)] == ["PONG", "PONG"]
        apply({}, secret_redis_app=new[1])
        assert "WRONGPASS" in redis("ping", user=former)
        assert redis("ping", user=new) == "PONG"
        lists = [line for line in apply({}, secret_redis_app=new[1]).splitlines() if line.startswith("user ")]
        assert lists[: len(lists) // 2] == lists[len(lists) // 2 :], "a change that changes nothing is reported"
        kept = workbench.run(["sh", "-c", "until grep -q PONG /tmp/connected; do sleep 0.1; done; cat /tmp/connected"])
        assert kept.stdout.split() == ["OK", "PONG"]
    finally:
        apply({})


def test_passwords_are_stored_as_hashes() -> None:
    """Reading the file is not enough to log in."""
    assert not [name for name, value in SECRETS.items() if value in text("redis", "users.acl.j2")]
