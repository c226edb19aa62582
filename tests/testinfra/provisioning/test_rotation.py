"""New secrets in place of all present ones: users stay logged in, and nothing accepts the ones before any more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from tests.stages import RECAP
from tests.testinfra.browser import Browser, logged_in
from tests.testinfra.mysql.test_mysql import ACCESS_DENIED, sql
from tests.testinfra.redis_wire import refusal, run_commands

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]


@dataclass(frozen=True)
class Rotation:
    """The secrets before, and what a user got: the last answer before, and the first one after."""

    former: dict[str, str]
    before: dict[str, Any]
    after: dict[str, Any]
    log: Path


@pytest.fixture(scope="module")
def rotation(
    lab: Lab,
    new_browser: Callable[[], Browser],
    demo_users: list[dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Rotation:
    """The whole rotation, while a user is logged in."""
    log, former = tmp_path_factory.mktemp("rotation") / "ansible.log", lab.secrets
    user = logged_in(new_browser(), demo_users[0])
    before = user.get("/perfil").json
    assert run_playbook("rotate-secrets.yml", log=log) == 0, tail(log)
    answer = user.get("/perfil")
    assert answer.status == 200, answer
    return Rotation(former, before, answer.json, log)


def test_every_secret_is_another_one(lab: Lab, rotation: Rotation) -> None:
    """And the lab keeps no former one."""
    assert rotation.former.keys() == lab.secrets.keys()
    assert not set(rotation.former.values()) & set(lab.secrets.values())
    assert lab.vars["previous_secrets"] == {}


def test_a_session_from_before_still_works(rotation: Rotation) -> None:
    """The same session, not a new one."""
    assert rotation.after["sessao"] == rotation.before["sessao"]
    assert rotation.after["visitas"] == rotation.before["visitas"] + 1


@pytest.mark.usefixtures("rotation")
def test_users_can_log_in(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> None:
    """A login needs Redis and MySQL."""
    assert logged_in(new_browser(), demo_users[0]).get("/perfil").status == 200


def passwords(accounts: list[dict[str, Any]], former: dict[str, str], lab: Lab) -> dict[str, tuple[str, str]]:
    """Each account's password before and now."""
    names = {value: name for name, value in lab.secrets.items()}
    return {one["name"]: (former[names[one["passwords"][0]]], one["passwords"][0]) for one in accounts}


def test_redis_refuses_the_passwords_before(lab: Lab, redis: Box, rotation: Rotation) -> None:
    """Of every account. The new ones are accepted."""
    settings = redis.role("redis")
    for name, (former, new) in passwords(settings["redis_accounts"], rotation.former, lab).items():
        replies = run_commands(lab.tier("backends")[0], redis, ["AUTH", name, former], ["AUTH", name, new])
        assert (refusal(replies[0]), replies[1]) == ("WRONGPASS", "OK"), name


def test_sentinel_refuses_the_passwords_before(lab: Lab, redis: Box, rotation: Rotation) -> None:
    """Its own account's, and the app's."""
    if len(lab.tier("redis")) < 2:
        pytest.skip("a single Redis has no Sentinel")
    settings = redis.role("sentinel")
    accounts = [*settings["sentinel_users"], {"name": "sentinel", "passwords": settings["sentinel_passwords"]}]
    for name, (former, new) in passwords(accounts, rotation.former, lab).items():
        commands = (["AUTH", name, former], ["AUTH", name, new])
        replies = run_commands(lab.tier("backends")[0], redis, *commands, port=settings["sentinel_port"])
        assert (refusal(replies[0]), replies[1]) == ("WRONGPASS", "OK"), name


def test_mysql_refuses_the_passwords_before(lab: Lab, mysql: Box, backend: Box, rotation: Rotation) -> None:
    """From each backend, as each has accounts of its own."""
    for name, (former, new) in passwords(mysql.vars["mysql_accounts"], rotation.former, lab).items():
        assert sql(backend, mysql, name, former, "SELECT 1") == [{"error": ACCESS_DENIED}], name
        assert sql(backend, mysql, name, new, "SELECT 1") == [[["1"]]], name


def test_name_servers_know_the_new_key_alone(lab: Lab, nameserver: Box, rotation: Rotation) -> None:
    """Keys are named after their secrets. This is what the running daemon knows, not what its file says."""
    if len(lab.tier("dns")) < 2:
        pytest.skip("a single name server has no key")
    former, new = (
        f"transfer-{hashlib.sha256(secrets['secret_dns_transfer'].encode()).hexdigest()[:8]}"
        for secrets in (rotation.former, lab.secrets)
    )
    known = nameserver.root_output("rndc tsig-list")
    assert (new in known, former in known) == (True, False), known


def test_the_next_run_changes_nothing(rotation: Rotation) -> None:
    """What the rotation left is what the inventory describes."""
    start = rotation.log.stat().st_size
    assert run_playbook("site.yml", log=rotation.log) == 0, tail(rotation.log)
    changed = RECAP.findall(rotation.log.read_bytes()[start:].decode())
    assert [name for name, count in changed if count != "0"] == [], tail(rotation.log, 60)
