"""providers/podman/machines.py acts on all containers of the lab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import ROOT
from providers.podman import machines

PODMAN = """\
#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
with (here / "log").open("a") as log:
    log.write(" ".join(["podman", *sys.argv[1:]]) + "\\n")
verb = sys.argv[1]
if verb == "ps":
    print((here / "containers.json").read_text())
elif sys.argv[1:3] == ["image", "inspect"]:
    print((here / "contents").read_text())
elif verb == "images":
    print((here / "images").read_text())
elif verb == "inspect":
    print((here / "exit-code").read_text())
elif verb == "logs":
    print("Failed to start ssh.service")
elif verb == "run" and "--hostname=redis1" in sys.argv and (here / "broken").exists():
    sys.exit("Error: address already in use")
"""
MACHINES = ROOT / "providers" / "podman" / "machines.py"


KEYS = "172.20.0.4 ssh-ed25519 AAAA\n172.20.0.5 ssh-ed25519 BBBB\n"


class Containers:
    """A stub of podman and ssh for machines.py, and its input: a lab of two machines."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.known_hosts = folder, folder / "known_hosts"
        self.wanted: dict[str, Any] = {
            "network": "net",
            "label": "lab",
            "image": "machine:trixie",
            "snapshots": "snapshot",
            "snapshot": "revezamento",
            "content": "c0ffee",
            "from_snapshot": False,
            "machines": {"redis1": "172.20.0.4", "dns1": "172.20.0.5"},
            "options": ["--dns=none"],
            "ssh": ["ssh"],
            "known_hosts": str(self.known_hosts),
        }
        self.command("podman", PODMAN.format(python=sys.executable, folder=str(folder)))
        self.command("ssh", f'#!/bin/sh\necho "ssh $*" >> {folder}/log\n')
        self.known_hosts.write_text(KEYS, encoding="utf-8")
        self.write("images", "snapshot:redis1\nsnapshot:dns1")
        self.write("exit-code", "0")
        self.are(redis1="running", dns1="running")

    def command(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def are(self, **states: str) -> None:
        """The containers that podman lists: with the current settings, and in these states."""
        settings = machines.Lab(self.wanted).settings
        addresses = self.wanted["machines"]
        listed = [
            {
                "Names": [f"net-{name}"],
                "State": state,
                "Labels": {"lab": name, machines.SETTINGS_LABEL: settings(name) if name in addresses else ""},
            }
            for name, state in states.items()
        ]
        self.write("containers.json", json.dumps(listed))

    def run(self, verb: str) -> subprocess.CompletedProcess[str]:
        self.write("log", "")
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin"}
        return subprocess.run(
            [sys.executable, MACHINES, verb],
            input=json.dumps(self.wanted),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, *verbs: str) -> list[str]:
        """The changes that the last run made, in alphabetical order: machines are handled in parallel."""
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return sorted(line for line in lines if line.startswith(tuple(f"podman {verb}" for verb in verbs)))

    @property
    def changes(self) -> list[str]:
        return self.calls("run", "rm", "start", "stop", "commit")


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    return Containers(tmp_path)


def test_start_creates_what_is_missing(containers: Containers) -> None:
    """The others keep running. The address and the MAC address that derives from it are the machine's own."""
    containers.are(redis1="running")
    assert containers.run("due").stdout == "net-dns1\n"
    done = containers.run("start")
    assert (done.returncode, done.stdout, done.stderr) == (0, "dns1: created\n", "")
    (created,) = containers.changes
    assert {"--name=net-dns1", "--hostname=dns1", "--ip=172.20.0.5", "--mac-address=02:00:ac:14:00:05"} < {
        *created.split()
    }
    assert created.endswith(" --dns=none machine:trixie")
    assert containers.known_hosts.read_text(encoding="utf-8") == ""


def test_start_changes_nothing_when_all_machines_run(containers: Containers) -> None:
    """It prints nothing, from which Ansible tells that nothing changed."""
    assert containers.run("due").stdout.strip() == ""
    done = containers.run("start")
    assert (done.returncode, done.stdout, containers.changes) == (0, "", [])
    assert containers.known_hosts.read_text(encoding="utf-8") == KEYS


def test_start_starts_a_machine_that_is_off(containers: Containers) -> None:
    """It keeps its data."""
    containers.are(redis1="exited", dns1="running")
    assert containers.run("due").stdout == "net-redis1\n"
    assert containers.run("start").stdout == "redis1: started\n"
    assert containers.changes == ["podman start net-redis1"]


def test_start_asks_a_machine_for_a_key_that_is_not_known(containers: Containers) -> None:
    """Mitogen never accepts a new key. ssh does, and then this machine is settled."""
    containers.known_hosts.write_text(KEYS.splitlines()[0], encoding="utf-8")
    assert containers.run("due").stdout == "net-dns1\n"
    containers.run("start")
    assert (containers.folder / "log").read_text(encoding="utf-8").count("ssh 172.20.0.5 true") == 1
    assert containers.changes == []


@pytest.mark.parametrize("state", ["created", "configured", "initialized"])
def test_start_creates_a_machine_again_that_never_ran(containers: Containers, state: str) -> None:
    """An interrupted run left it behind, perhaps without its address."""
    containers.are(redis1=state, dns1="running")
    containers.run("start")
    assert [call.split()[1] for call in containers.changes] == ["rm", "run"]


@pytest.mark.parametrize(
    ("changed", "recreated"),
    [
        ({"machines": {"redis1": "172.20.0.9", "dns1": "172.20.0.5"}}, ["redis1"]),
        ({"options": ["--dns=none", "--cap-add=MKNOD"]}, ["redis1", "dns1"]),
        ({"image": "machine:bookworm"}, ["redis1", "dns1"]),
        ({"snapshots": "other"}, []),
    ],
)
def test_a_machine_follows_its_settings(
    containers: Containers, changed: dict[str, object], recreated: list[str]
) -> None:
    """A change of its address, its rights or its release replaces it."""
    containers.wanted |= changed
    assert containers.run("due").stdout.split() == sorted(f"net-{name}" for name in recreated)
    containers.run("start")
    assert [call.split()[1] for call in containers.changes] == (["rm"] if recreated else []) + ["run"] * len(recreated)


def test_start_removes_a_machine_that_left_the_inventory(containers: Containers) -> None:
    """Its address may belong to another one now."""
    containers.are(redis1="running", dns1="running", dns2="running")
    assert containers.run("due").stdout == "net-dns2\n"
    assert containers.run("start").stdout == "net-dns2: removed\n"
    assert containers.changes == ["podman rm --force --time=0 --volumes net-dns2"]


def test_a_failure_names_its_machine(containers: Containers) -> None:
    """The other machines are created all the same."""
    containers.are()
    containers.write("broken", "")
    done = containers.run("start")
    assert done.returncode == 1
    assert done.stderr == "redis1: podman run: Error: address already in use\n"
    assert len(containers.calls("run")) == 2


def test_a_machine_without_ssh_is_named_with_its_log(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log tells why it did not start."""
    containers.command("ssh", "#!/bin/sh\necho Connection refused >&2\nexit 255\n")
    monkeypatch.setenv("PATH", f"{containers.folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(machines, "BOOT_SECONDS", 0)
    expected = r"dns1 \(172.20.0.5\) does not answer SSH: Connection refused\n.*\nFailed to start ssh.service"
    with pytest.raises(machines.MachineError, match=expected):
        machines.Lab(containers.wanted).wait("dns1")


def test_a_machine_is_saved_while_it_is_stopped(containers: Containers) -> None:
    """Its daemons have shut down, so that none is caught in the middle of a write."""
    assert containers.run("save").returncode == 0
    calls = (containers.folder / "log").read_text(encoding="utf-8").splitlines()
    assert [call.split()[1] for call in calls if "net-dns1" in call] == ["exec", "stop", "inspect", "commit", "start"]
    assert "podman commit --quiet --change=LABEL revezamento-content=c0ffee net-dns1 snapshot:dns1" in calls


def test_the_former_snapshot_is_removed(containers: Containers) -> None:
    """Each one takes about a gigabyte."""
    containers.run("save")
    assert containers.calls("image") == ["podman image prune --force --filter=label=lab"]


def test_a_machine_that_had_to_be_killed_is_not_saved(containers: Containers) -> None:
    """Podman kills it when it does not shut down in time. It starts again."""
    containers.write("exit-code", "137")
    done = containers.run("save")
    assert done.returncode == 1
    assert "dns1: it did not shut down within 60 s, so it was not saved" in done.stderr
    assert containers.calls("commit", "start") == ["podman start net-dns1", "podman start net-redis1"]


def test_only_a_whole_lab_is_saved(containers: Containers) -> None:
    """A snapshot has all machines at the same moment."""
    containers.are(redis1="running")
    done = containers.run("save")
    assert (done.returncode, containers.changes) == (1, [])
    assert done.stderr == "dns1: not created, so there is nothing to save. Remedy: make up\n"


def test_reset_replaces_every_machine_with_its_snapshot(containers: Containers) -> None:
    """The next `make up` keeps them: their settings are the same."""
    assert containers.run("reset").returncode == 0
    removed, *created = containers.changes
    assert removed == "podman rm --force --time=0 --volumes net-redis1 net-dns1"
    assert [call.split()[-1] for call in created] == ["snapshot:dns1", "snapshot:redis1"]
    assert f"{machines.SETTINGS_LABEL}={machines.Lab(containers.wanted).settings('dns1')}" in created[0]


def test_reset_without_a_snapshot_changes_nothing(containers: Containers) -> None:
    """The message names the machines that have none."""
    containers.write("images", "snapshot:redis1")
    done = containers.run("reset")
    assert (done.returncode, containers.changes) == (1, [])
    assert done.stderr == "There is no snapshot of dns1. Remedy: make snapshot, of all machines\n"


def test_a_snapshot_may_have_a_name(containers: Containers) -> None:
    """It stands beside the one without a name, which `make up` may start from."""
    containers.wanted["snapshot"] = "before-exercise"
    assert containers.run("save").returncode == 0
    assert [call.split()[-1] for call in containers.calls("commit")] == [
        "snapshot-before-exercise:dns1",
        "snapshot-before-exercise:redis1",
    ]
    containers.write("images", "snapshot-before-exercise:redis1\nsnapshot-before-exercise:dns1")
    assert containers.run("reset").returncode == 0
    assert [call.split()[-1] for call in containers.calls("run")] == [
        "snapshot-before-exercise:dns1",
        "snapshot-before-exercise:redis1",
    ]


def test_a_snapshot_that_is_not_there_is_refused_with_those_that_are(containers: Containers) -> None:
    """A misspelled name changes nothing."""
    containers.wanted["snapshot"] = "befor"
    containers.write("images", "snapshot:redis1\nsnapshot:dns1\nsnapshot-before:redis1\nsnapshot-before:dns1\nother:1")
    done = containers.run("reset")
    assert (done.returncode, containers.changes) == (1, [])
    assert done.stderr == (
        "There is no snapshot befor of redis1, dns1. There are: before, revezamento. "
        "Remedy: make snapshot NAME=befor, of all machines\n"
    )


@pytest.mark.parametrize(
    ("contents", "running", "images"),
    [
        ("c0ffee\nc0ffee", [], ["snapshot:dns1", "snapshot:redis1"]),
        ("c0ffee\ndecaf", [], ["machine:trixie", "machine:trixie"]),
        ("\n", [], ["machine:trixie", "machine:trixie"]),
        ("c0ffee\nc0ffee", ["redis1"], ["machine:trixie"]),
    ],
    ids=["the present content", "one of other content", "made before contents were recorded", "a lab that is there"],
)
def test_a_lab_from_nothing_may_start_from_a_snapshot(
    containers: Containers, contents: str, running: list[str], images: list[str]
) -> None:
    """Only from one of all machines, with the present content: all machines share one state."""
    containers.are(**dict.fromkeys(running, "running"))
    containers.wanted["from_snapshot"] = True
    containers.write("contents", contents)
    assert containers.run("start").returncode == 0
    assert [call.split()[-1] for call in containers.changes] == images
