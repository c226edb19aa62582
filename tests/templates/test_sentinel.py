"""The accounts for replication and for Sentinel, on a real Redis and a real Sentinel with the rendered files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.inventory import ROOT
from tests.templates.rendered import SECRETS, files, inventory, text
from tests.templates.test_redis import ADMIN, ANSWERS, APP, Redis
from tests.workbench import Workbench

REPLICA = ("replica", SECRETS["secret_redis_replica"])
SENTINEL = ("sentinel", SECRETS["secret_redis_sentinel"])
TRY = ["--supervised", "no", "--daemonize", "yes", "--dir", "/tmp"]

REDIS, GUARD = 6379, 26379
"""The ports."""

# Under one name on both: what each account may do, and what not.
RIGHTS = [
    (REDIS, REPLICA, ["ping"], ["get sess:x", "info", "role", "config get *", "replicaof no one", "acl list"]),
    (REDIS, SENTINEL, ["ping", "role", "info replication"], ["get sess:x", "keys *", "config get *", "acl list"]),
    (REDIS, APP, ["ping"], ["replicaof no one", "publish __sentinel__:hello x", "client pause 1", "psync ? -1"]),
    (GUARD, APP, ["sentinel get-master-addr-by-name sessions", "sentinel masters"], ["sentinel failover sessions"]),
    (GUARD, APP, ["ping"], ["sentinel set sessions quorum 1", "sentinel reset *", "info"]),
    (GUARD, APP, ["ping"], ["publish __sentinel__:hello x", "subscribe __sentinel__:hello"]),
    (GUARD, SENTINEL, ["sentinel ckquorum sessions"], ["sentinel set sessions quorum 1", "sentinel remove sessions"]),
]


class Member(Redis):
    """Redis or Sentinel of the first machine."""

    def __call__(self, *command: str, user: tuple[str, str] | None = None, port: int = REDIS) -> str:
        return super().__call__("-p", str(port), *command, user=user)


@pytest.fixture(scope="module")
def member(workbench: Workbench) -> Iterator[Member]:
    machine = inventory("ha").hosts("redis")[0]
    written = {file.dest: file.text for role in ("redis", "sentinel") for file in files(machine, role)}
    own_file = {"/tmp/sentinel.conf": written["/etc/redis/sentinel.conf"]}
    for command in (["redis-server", "/etc/redis/redis.conf"], ["redis-sentinel", "/tmp/sentinel.conf"]):
        started = workbench.run([*command, *TRY], written | own_file)
        assert started.returncode == 0, started.stdout
    ask = Member(workbench, machine.address)
    assert any(all("NOAUTH" in ask("ping", port=port) for port in (REDIS, GUARD)) for _ in range(ANSWERS))
    yield ask
    workbench.run(["pkill", "-f", f"redis-sentinel .*:{GUARD}"])
    ask("shutdown", "nosave", user=ADMIN)


@pytest.mark.parametrize(("port", "account", "allowed", "refused"), RIGHTS)
def test_accounts_can_do_what_they_are_for(
    member: Member, port: int, account: tuple[str, str], allowed: list[str], refused: list[str]
) -> None:
    """A password that leaks from one machine is of little use."""
    for command in allowed:
        assert "NOPERM" not in member(*command.split(), user=account, port=port), command
    for command in refused:
        assert "NOPERM" in member(*command.split(), user=account, port=port), command


@pytest.mark.parametrize("command", ["ping", "sentinel masters", "sentinel failover sessions"])
def test_sentinel_refuses_clients_without_an_account(member: Member, command: str) -> None:
    """Anybody could choose another primary otherwise."""
    assert "NOAUTH" in member(*command.split(), port=GUARD)


def test_sentinel_asks_more_often_than_once_a_second(member: Member) -> None:
    """It has no setting for that: the program that runs after each start tells it."""
    script = (ROOT / "ansible" / "roles" / "sentinel" / "files" / "sentinel-timing").read_text(encoding="utf-8")
    timing = ["sh", "/tmp/sentinel-timing", "/etc/redis/sentinel.conf"]
    done = member.bench.run([*timing, "233"], {"/tmp/sentinel-timing": script})
    assert (done.returncode, done.stdout.split()) == (0, ["OK", "OK"])
    listed = member("sentinel", "debug", user=SENTINEL, port=GUARD).split()
    assert listed[listed.index("PING-PERIOD") + 1] == "233"
    assert member.bench.run([*timing, "never"]).returncode != 0


def test_a_primary_without_a_replica_refuses_writes(member: Member) -> None:
    """In a partition, the other side may have another primary."""
    assert "NOREPLICAS" in member("set", "sess:x", "1", user=APP)


def test_a_majority_must_agree() -> None:
    """With a smaller quorum, a single Sentinel without a network could see a failure."""
    assert "\nsentinel monitor sessions 172.20.0.4 6379 2\n" in text("sentinel", "sentinel.conf.j2", "ha")


@pytest.mark.parametrize("role_and_src", ["redis users.acl.j2", "sentinel sentinel.acl.j2", "redis redis.conf.j2"])
def test_files_that_a_group_can_read_have_no_passwords(role_and_src: str) -> None:
    """Passwords are in files of mode 0400."""
    role, src = role_and_src.split()
    assert not [name for name, value in SECRETS.items() if value in text(role, src, "ha")]


def test_a_single_redis_has_no_replication() -> None:
    """The base map runs with the same configuration as ever."""
    assert "repl" not in text("redis", "redis.conf.j2")
