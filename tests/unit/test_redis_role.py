"""The programs that keep the roles of primary and replica across restarts, with a stand-in for redis-cli."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.inventory import ROLES

FIRST, OWN, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"

CLI = """\
#!/bin/sh
cat >/dev/null
echo "$*" >>"$ANSWERS/asked"
echo OK
cat "$ANSWERS/$2:$4" 2>/dev/null || { echo "Could not connect" >&2; exit 1; }
"""


class Machine:
    """One member. `knows` sets what the Sentinel of another one answers."""

    def __init__(self, folder: Path, address: str = OWN, tls: str = "") -> None:
        self.folder, self.running, self.state = folder, folder / "redis.conf", folder / "sentinel.conf"
        cli = folder / "bin" / "redis-cli"
        cli.parent.mkdir()
        cli.write_text(CLI, encoding="utf-8")
        cli.chmod(0o755)
        self.settings = folder / "role.env"
        self.settings.write_text(
            f'ADDRESS={address}\nOTHERS="{" ".join(sorted({FIRST, OWN, THIRD} - {address}))}"\nFIRST={FIRST}\n'
            f'PORT=6379\nSENTINEL_PORT=26379\nTLS="{tls}"\n'
            f"PASSWORD=p\nREPLICA_PASSWORD=r\nSETTINGS=/etc/redis/redis.conf\n"
            f"RUNNING={self.running}\nSENTINEL_STATE={self.state}\nFAIL_OVER_SECONDS=1\nSTART_SECONDS=2\n",
            encoding="utf-8",
        )

    def answers(self, address: str, port: int, text: str) -> None:
        (self.folder / f"{address}:{port}").write_text(text, encoding="utf-8")

    def knows(self, other: str, primary: str, epoch: int, replicas: int = 2) -> None:
        self.answers(other, 26379, f"ip\n{primary}\nnum-slaves\n{replicas}\nconfig-epoch\n{epoch}\n")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "ANSWERS": str(self.folder),
            "REDIS_ROLE_SETTINGS": str(self.settings),
            "WAIT_SECONDS": "1",
        }
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def role(self, action: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(ROLES / "redis" / "files" / "redis-role"), action)

    def was(self, *lines: str) -> None:
        """What Redis left in its running file."""
        self.running.write_text("\n".join(["include /etc/redis/redis.conf", *lines, ""]), encoding="utf-8")

    def starts(self) -> str:
        """The role that it starts with, or '' if it does not start."""
        if self.role("start").returncode:
            return ""
        lines = self.running.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "include /etc/redis/redis.conf"
        return next((line for line in lines if line.startswith("replicaof")), "primary")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def first(tmp_path: Path) -> Machine:
    return Machine(tmp_path, FIRST)


def replica_of(address: str) -> str:
    return f"replicaof {address} 6379"


def test_a_new_member_is_a_replica_of_the_first(machine: Machine) -> None:
    """Before any Sentinel runs."""
    assert machine.starts() == replica_of(FIRST)


def test_ansible_appoints_the_first_primary_once(first: Machine) -> None:
    """A second run changes nothing."""
    assert first.role("appoint").stdout == "Appointed\n"
    assert first.role("appoint").stdout == ""
    assert first.starts() == "primary"


def test_the_first_member_without_data_does_not_become_the_primary(first: Machine) -> None:
    """The others would copy its empty data."""
    assert first.starts() == ""


@pytest.mark.parametrize("primary", [FIRST, THIRD])
def test_a_replaced_disk_does_not_make_a_primary(first: Machine, primary: str) -> None:
    """Ansible installs the machine anew. As the primary that others still know, it waits for a fail-over."""
    first.knows(OWN, primary, epoch=0)
    assert first.role("appoint").stdout == ""
    assert first.starts() == ("" if primary == FIRST else replica_of(THIRD))


def test_a_sentinel_that_never_reached_the_primary_knows_nothing(first: Machine) -> None:
    """After a first installation that failed on one machine."""
    first.knows(OWN, FIRST, epoch=0, replicas=0)
    assert first.role("appoint").stdout == "Appointed\n"


@pytest.mark.parametrize("was", [[], [replica_of(THIRD)]])
def test_a_role_is_kept(machine: Machine, was: list[str]) -> None:
    """After a power cut of all machines, nobody answers; also settings that Redis wrote are dropped."""
    machine.was("maxmemory 1mb", *was)
    assert machine.starts() == (was[0] if was else "primary")
    assert "maxmemory" not in machine.running.read_text(encoding="utf-8")


def test_a_file_that_was_cut_off_is_no_primary(machine: Machine) -> None:
    """A power cut may leave an empty file."""
    machine.running.write_text("", encoding="utf-8")
    assert machine.starts() == replica_of(FIRST)


def test_a_returning_primary_follows_its_successor(machine: Machine) -> None:
    """The newest answer counts: a Sentinel that was away may not know yet."""
    machine.was()
    machine.knows(FIRST, OWN, epoch=1)
    machine.knows(THIRD, THIRD, epoch=2)
    assert machine.starts() == replica_of(THIRD)


def test_the_last_primary_ignores_older_answers(machine: Machine) -> None:
    """The machine that was away during the fail-over starts first after a power cut of all machines."""
    machine.was()
    machine.state.write_text(
        f"sentinel monitor sessions {OWN} 6379 2\nsentinel config-epoch sessions 3\n", encoding="utf-8"
    )
    machine.knows(FIRST, FIRST, epoch=2)
    assert machine.starts() == "primary"


def test_a_crashed_primary_waits_for_its_successor(machine: Machine) -> None:
    """If Sentinels cannot choose one, it starts again as the primary."""
    machine.was()
    machine.knows(FIRST, OWN, epoch=1)
    answer = machine.role("start")
    assert "Waiting" in answer.stdout
    assert "starts as: primary" in answer.stdout


def test_only_a_primary_hands_over(machine: Machine) -> None:
    """A replica stops at once."""
    machine.was(replica_of(FIRST))
    machine.answers(OWN, 6379, "role:slave\r\n")
    assert machine.role("hand-over").returncode == 0
    assert machine.role("hand-over").stdout == ""


@pytest.mark.parametrize(("status", "code", "text"), [("ok", 0, "primary of 2\n"), ("err", 1, "its disk is full\n")])
def test_a_member_whose_disk_is_full_is_not_healthy(machine: Machine, status: str, code: int, text: str) -> None:
    """Redis answers, and refuses changes."""
    answer = f"role:master\r\nconnected_slaves:2\r\naof_last_write_status:{status}\r\n"
    machine.answers(OWN, 6379, answer)
    answered = machine.role("state")
    assert answered.returncode == code
    assert answered.stdout.endswith(text)


@pytest.mark.parametrize("options", ["", "--tls --cacert /etc/ca.crt"])
def test_others_are_asked_by_tls_where_it_is_on(tmp_path: Path, options: str) -> None:
    """All questions at once, or none: a plain one would hang until its timeout."""
    machine = Machine(tmp_path, tls=options)
    machine.was()
    for action in ("start", "state", "hand-over"):
        machine.role(action)
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert len(asked) > 3
    assert {line.partition("79")[2].strip() for line in asked} == {options}


SETTINGS = f"""\
# members {FIRST} {OWN}
port 26379
sentinel announce-ip {OWN}
sentinel monitor sessions {FIRST} 6379 2
sentinel down-after-milliseconds sessions 1000
"""
STATE = f"""\
port 26379
sentinel down-after-milliseconds sessions 5000
sentinel myid abc
sentinel monitor sessions {OWN} 6379 3
sentinel config-epoch sessions 7
sentinel current-epoch 8
sentinel known-sentinel sessions {FIRST} 26379 def
sentinel known-replica sessions {THIRD} 6379
"""


@pytest.mark.parametrize("state", ["", STATE])
def test_sentinel_keeps_what_it_knows(machine: Machine, state: str) -> None:
    """Settings come from Ansible; the primary, epochs and machines from Sentinel, but not removed machines."""
    settings = machine.folder / "settings"
    settings.write_text(SETTINGS, encoding="utf-8")
    machine.state.write_text(state, encoding="utf-8")
    program = str(ROLES / "sentinel" / "files" / "sentinel-state")
    assert machine.run(program, str(settings), str(machine.state)).returncode == 0
    written = machine.state.read_text(encoding="utf-8").splitlines()
    kept = ["myid abc", "config-epoch sessions 7", "current-epoch 8", f"known-sentinel sessions {FIRST} 26379 def"]
    assert sorted(written) == sorted(
        [line for line in SETTINGS.splitlines() if "monitor" not in line]
        + [f"sentinel monitor sessions {OWN if state else FIRST} 6379 2"]
        + [f"sentinel {line}" for line in kept if state]
    )
    assert machine.run(program, str(settings), str(machine.state)).returncode == 0
    assert sorted(machine.state.read_text(encoding="utf-8").splitlines()) == sorted(written)


def test_sentinel_waits_for_others_by_tls(machine: Machine) -> None:
    """It starts when the other Sentinel answers at the port of TLS. The last primary stays away."""
    settings = machine.folder / "settings"
    tls = "port 0\ntls-port 26379\ntls-ca-cert-file /etc/ca.crt"
    settings.write_text(SETTINGS.replace("port 26379", tls).replace("6379 2", "6379 1"), encoding="utf-8")
    machine.state.write_text(STATE.replace(f"monitor sessions {OWN}", f"monitor sessions {THIRD}"), encoding="utf-8")
    machine.answers(FIRST, 26379, "PONG\n")
    program = str(ROLES / "sentinel" / "files" / "sentinel-state")
    assert machine.run(program, str(settings), str(machine.state)).returncode == 0
    asked = (machine.folder / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == [
        f"-h {host} -p {port} --tls --cacert /etc/ca.crt PING" for host, port in ((THIRD, 6379), (FIRST, 26379))
    ]
