"""Several Redis: one primary, replicas with its data, and Sentinels that choose another primary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from lab.waiting import wait_until
from tests.testinfra.browser import Browser
from tests.testinfra.redis_wire import as_account, as_admin, as_app, primary, refusal, run_commands

FAIL_OVER_SECONDS = 30
OWN_FILES = "find /etc/redis /usr/local/sbin/redis-role /usr/local/sbin/sentinel-* -type f -exec sha256sum {} +"


pytestmark = pytest.mark.usefixtures("members")


@pytest.fixture(scope="module")
def a_backend(lab: Lab) -> Box:
    return lab.tier("backends")[0]


def ask_sentinel(backend: Box, member: Box, *commands: list[str]) -> list[Any]:
    """Replies of a member's Sentinel to commands of the account that Sentinels use among themselves."""
    settings = member.role("sentinel")
    login = ["AUTH", "sentinel", settings["sentinel_passwords"][0]]
    return run_commands(backend, member, login, *commands, port=settings["sentinel_port"])[1:]


def role(backend: Box, member: Box) -> list[Any]:
    return list(run_commands(backend, member, as_admin(member), ["ROLE"])[1])


def named(backend: Box, members: list[Box]) -> set[str]:
    """The primaries that Sentinels name: one, if they agree."""
    question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions"]
    return {ask_sentinel(backend, member, question)[0][0] for member in members}


def is_complete(backend: Box, members: list[Box]) -> bool:
    """Whether Sentinels and Redis agree about the primary, and every other one has its data."""
    primaries = named(backend, members)
    roles = {member.address: role(backend, member) for member in members}
    return len(primaries) == 1 and all(
        state[0] == "master" if address in primaries else [state[1], state[3]] == [*primaries, "connected"]
        for address, state in roles.items()
    )


def test_one_is_the_primary_and_the_others_follow_it(a_backend: Box, members: list[Box]) -> None:
    """A second primary would take writes that get lost."""
    assert is_complete(a_backend, members)


def test_enough_sentinels_know_each_other(a_backend: Box, redis: Box, members: list[Box]) -> None:
    """Otherwise nobody would choose another primary."""
    (reply,) = ask_sentinel(a_backend, redis, ["SENTINEL", "CKQUORUM", "sessions"])
    assert str(reply).startswith(f"OK {len(members)} usable"), reply


def test_sentinels_ask_several_times_before_a_primary_is_down(a_backend: Box, members: list[Box]) -> None:
    """They also connect to a new primary as often, which would be down otherwise, and replaced."""
    for member in members:
        (reply,) = ask_sentinel(a_backend, member, ["SENTINEL", "DEBUG"])
        timing = dict(zip(reply[::2], reply[1::2], strict=True))
        assert int(timing["PING-PERIOD"]) * 3 <= member.role("sentinel")["sentinel_down_after_ms"], timing


@pytest.mark.parametrize("command", ["GET sess:x", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "FLUSHALL"])
@pytest.mark.parametrize("account", ["replica", "sentinel"])
def test_accounts_of_machines_read_no_sessions(a_backend: Box, redis: Box, account: str, command: str) -> None:
    """Each may do what replication or Sentinel needs."""
    _, reply = run_commands(a_backend, redis, as_account(redis, account), command.split())
    assert refusal(reply) == "NOPERM"


@pytest.mark.parametrize(
    "command", ["SENTINEL FAILOVER sessions", "SENTINEL SET sessions quorum 1", "SENTINEL REMOVE sessions", "SHUTDOWN"]
)
def test_the_app_only_asks_sentinel(a_backend: Box, redis: Box, command: str) -> None:
    """It may ask who is the primary, and not decide it. Clients without an account may do nothing."""
    port = redis.role("sentinel")["sentinel_port"]
    question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions"]
    anonymous, _, answer, refused = run_commands(
        a_backend, redis, question, as_app(redis), question, command.split(), port=port
    )
    assert [refusal(anonymous), refusal(answer), refusal(refused)] == ["NOAUTH", "", "NOPERM"]


@pytest.fixture
def before(lab: Lab, a_backend: Box, members: list[Box]) -> Iterator[dict[str, str]]:
    """Ansible's files on each machine. Waits before and after until all machines have the data."""
    wait_until(lambda: is_complete(a_backend, members), "all Redis have the data", FAIL_OVER_SECONDS)
    yield lab.everywhere(lambda box: box.root_output(OWN_FILES), members)
    wait_until(lambda: is_complete(a_backend, members), "all Redis have the data", FAIL_OVER_SECONDS)


def fail_over(lab: Lab, backend: Box, members: list[Box]) -> Box:
    """Have Sentinel choose another primary; return it."""
    former = primary(lab)
    assert ask_sentinel(backend, former, ["SENTINEL", "FAILOVER", "sessions"]) == ["OK"]
    wait_until(lambda: named(backend, members) != {former.address}, "Sentinels name another one", FAIL_OVER_SECONDS)
    wait_until(lambda: is_complete(backend, members), "all Redis have the data", FAIL_OVER_SECONDS)
    return primary(lab)


@pytest.mark.disruptive
def test_a_fail_over_changes_no_file_of_ansible(
    ana: Browser, lab: Lab, a_backend: Box, members: list[Box], before: dict[str, str]
) -> None:
    """Redis and Sentinel write into files of their own, and users stay logged in."""
    fail_over(lab, a_backend, members)
    assert lab.everywhere(lambda box: box.root_output(OWN_FILES), members) == before
    assert ana.get_when_served("/perfil", "the session is on the new primary").status == 200


@pytest.mark.disruptive
@pytest.mark.usefixtures("before")
def test_a_restarted_primary_hands_over_first(ana: Browser, lab: Lab, a_backend: Box, members: list[Box]) -> None:
    """A change of its settings, an upgrade or a reboot loses nothing, and it returns as a replica at once."""
    former = primary(lab)
    former.root_output(f"systemctl restart {former.service}")
    wait_until(lambda: is_complete(a_backend, members), "all Redis have the data", FAIL_OVER_SECONDS)
    assert primary(lab).name != former.name
    assert ana.get_when_served("/perfil", "the session is on the new primary").status == 200


@pytest.mark.disruptive
@pytest.mark.provisioning
@pytest.mark.usefixtures("before")
def test_ansible_does_not_undo_a_fail_over(lab: Lab, a_backend: Box, members: list[Box], tmp_path: Path) -> None:
    """Which machine is the primary is not part of the configuration."""
    chosen, log = fail_over(lab, a_backend, members), tmp_path / "ansible.log"
    assert run_playbook("site.yml", "--tags=redis,sentinel", "--limit=redis", log=log) == 0, tail(log)
    assert set(re.findall(r"changed=(\d+)", log.read_text(encoding="utf-8"))) == {"0"}, tail(log)
    assert primary(lab).name == chosen.name
