"""What a bench puts on the machines beside the lab's daemons, and takes away; without machines."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import bench.__main__ as main
from bench.arms import Arm, arms
from bench.measure import Run
from bench.stage import CLEAN, PEER, Stage, install, packed_peer, refuse
from bench.units import FOLDER, UNITS, app_units, peer_units, port_of, proxy_files, proxy_port
from lab.inventory import ROLES, Inventory
from lab.machines import Lab
from lab.waiting import wait_until
from tests.templates.rendered import SECRETS

USER = {"usuario": "bench", "senha": "s"}


@cache
def lab(source: str = "inventory/lab") -> Lab:
    return Lab(Inventory.load(source, overrides=SECRETS))


def sandbox(text: str) -> set[str]:
    """What systemd restricts, and whom it runs as."""
    own = r"(Type|NotifyAccess|Exec\w+|Kill\w+|TimeoutStopSec|Restart\w*|Environment\w*|RuntimeDirectory|Description)="
    return {line for line in text.split("[Install]")[0].splitlines() if "=" in line and not re.match(f"#|{own}", line)}


def test_everything_runs_in_the_sandbox_of_the_app() -> None:
    """A filter of system calls costs time: without it, the peer would look cheaper."""
    backend, redis, mysql = (lab().tier(tier)[0] for tier in ("backends", "redis", "mysql"))
    model = backend.machine.role("app").render(ROLES / "app" / "templates" / "revezamento.service.j2")
    wanted = {line for line in sandbox(model) if not line.startswith(("Requires", "After", "Wants", "StartLimit"))}
    units = app_units(backend, [1, 2], 2)
    assert set(units) == {
        *(f"bench-{kind}-{count}.service" for kind in ("gthread", "leader") for count in (1, 2)),
        "bench-bare-2.service",
    }
    assert len(wanted) > 20
    assert {name for name, text in units.items() if sandbox(text) != wanted} == set()
    for text in peer_units(backend, [1], redis, mysql, "s").values():
        assert wanted - sandbox(text) == {"MemoryDenyWriteExecute=true"}  # V8 needs it


def test_settings_of_an_arm_win_over_those_of_the_service() -> None:
    """systemd prefers EnvironmentFile to Environment, so the program itself must get them."""
    (command,) = re.findall("ExecStart=(.*)", app_units(lab().tier("backends")[0], [3], 2)["bench-leader-3.service"])
    assert command.startswith("/usr/bin/env REVEZAMENTO_WORKER=leader REVEZAMENTO_WORKERS=3 ")
    assert " --bind 172.20.0.10:8100 " in command


@pytest.mark.parametrize("source", ["inventory/lab", "inventory/ha"])
def test_a_second_nginx_has_its_own_port_files_and_backends(source: str) -> None:
    """It must not touch the one in service."""
    frontend, backends = lab(source).tier("frontends")[0], lab(source).tier("backends")
    config = proxy_files(frontend, backends[:2])[f"{FOLDER}/nginx-2.conf"]
    assert re.findall(r"listen (\S+)", config) == [f"{frontend.address}:{proxy_port(frontend, 2)}"]
    servers = re.findall(r"^\s+server (\d\S+)", config, re.MULTILINE)
    assert servers == [f"{backend.address}:{port_of(backend)}" for backend in backends[:2]]
    assert set(re.findall(r"(?:pid|access_log|error_log) (\S+?);?[ \n]", config)) == {
        "/run/bench-nginx-2.pid",
        "/var/log/nginx/bench-access.log",
        "/var/log/nginx/bench-error.log",
    }


@pytest.mark.parametrize("has_peer", [True, False])
def test_arms_of_the_same_daemon_follow_each_other(has_peer: bool) -> None:
    """Starting one takes as long as a run."""
    found = list(arms(Stage(lab(), has_peer=has_peer), USER))
    names, units = [arm.name for arm in found], [unit for unit, _ in groupby(arm.unit for arm in found)]
    assert len(names) == len(set(names))
    assert len(units) == len(set(units))
    assert has_peer == any("Express" in name for name in names)
    assert {(arm.workers, len(arm.backends)) for arm in found if arm.kind == "leader"} == {(n, 1) for n in (1, 2, 3, 4)}
    assert {len(arm.backends) for arm in found if ", nginx, " in arm.name} == {1, 2, 3}


@dataclass
class Recorder:
    """A machine that writes down what it is told."""

    name: str
    told: list[str] = field(default_factory=list)

    def root(self, command: str) -> None:
        self.told.append(command)

    def start(self, *units: str) -> None:
        self.told.append(f"start {' '.join(units)}")

    def take(self) -> list[str]:
        told, self.told = self.told, []
        return told


class Recorders:
    def __init__(self) -> None:
        self.boxes = [Recorder(f"backend{number}") for number in (1, 2)]

    def tier(self, _: str) -> list[Recorder]:
        return self.boxes

    def everywhere(self, ask: Any, boxes: list[Recorder]) -> None:
        for box in boxes:
            ask(box)


def test_only_one_daemon_of_the_bench_runs_on_a_backend() -> None:
    """Another one would take processor time, and the port."""
    machines: Any = Recorders()
    one, two = machines.boxes
    stage = Stage(machines, has_peer=True)
    assert stage.run("bench-a-1.service", [one])
    assert (one.take(), two.take()) == (["start bench-a-1.service"], [])
    assert stage.run("bench-a-1.service", [one, two])
    assert (one.take(), two.take()) == ([], ["start bench-a-1.service"])
    assert not stage.run("bench-a-1.service", [one])
    assert (one.take(), two.take()) == ([], [])
    assert stage.run("bench-b-1.service", [one])
    assert one.take() == ["systemctl stop bench-a-1.service", "start bench-b-1.service"]
    assert two.take() == ["systemctl stop bench-a-1.service"]


@pytest.fixture
def sh(tmp_path: Path) -> Callable[[str], int]:
    """Runs a script with programs that record how they were called; an installation takes a moment."""
    programs = {
        "apt-get": """case "$*" in
            *--simulate*) printf '%s\\n' 'Inst libwrk (1 D)' 'Inst bash [1] (2 D)' 'Inst wrk (1 D)' 'Conf wrk (1)';;
            install*) sleep 0.5; echo installed >>"$ROOT/apt";;
            purge*) [ ! -e "$ROOT/dpkg-is-busy" ] || exit 100; echo "$@" >>"$ROOT/apt";;
            esac""",
        "systemctl": 'echo "$@" >> "$ROOT/systemctl"',
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    folders = {FOLDER: tmp_path / "bench", UNITS: tmp_path / "units", "/run/bench": tmp_path / "run" / "bench"}
    folders["/var/log/nginx"] = tmp_path / "log"
    (tmp_path / "units").mkdir()
    for name in ("bench-a.service", "other.service"):
        (tmp_path / "units" / name).touch()

    def act(script: str) -> int:
        for path, other in folders.items():
            script = script.replace(path, str(other))
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", script], check=False, env={"PATH": path, "ROOT": str(tmp_path)}).returncode

    return act


def test_the_clean_up_removes_what_the_bench_has_installed_and_nothing_else(
    tmp_path: Path, sh: Callable[[str], int]
) -> None:
    """Also packages that apt has added as dependencies; a machine without packages of the bench never starts apt."""
    assert sh(CLEAN) == 0
    assert not (tmp_path / "apt").exists()
    (tmp_path / "units" / "bench-a.service").touch()
    assert sh(install("wrk")) == 0
    assert sh(CLEAN) == 0
    assert (tmp_path / "apt").read_text().splitlines()[-1] == "purge -qq libwrk wrk"
    assert not (tmp_path / "bench").exists()
    assert [path.name for path in (tmp_path / "units").iterdir()] == ["other.service"]
    assert "stop bench-*.service" in (tmp_path / "systemctl").read_text().splitlines()


def test_the_clean_up_waits_for_an_installation_that_goes_on(tmp_path: Path, sh: Callable[[str], int]) -> None:
    """Ctrl-C ends the SSH connection, and not apt."""
    with ThreadPoolExecutor() as pool:
        installing = pool.submit(sh, install("wrk"))
        wait_until(lambda: (tmp_path / "bench" / "packages").exists(), "the installation has begun", 10)
        assert sh(CLEAN) == 0
        assert installing.result() == 0
    assert (tmp_path / "apt").read_text().splitlines() == ["installed", "purge -qq libwrk wrk"]


def test_what_cannot_be_removed_stays_recorded(tmp_path: Path, sh: Callable[[str], int]) -> None:
    """The next clean-up removes it."""
    sh(install("wrk"))
    (tmp_path / "dpkg-is-busy").touch()
    assert sh(CLEAN) != 0
    (tmp_path / "dpkg-is-busy").unlink()
    assert sh(CLEAN) == 0
    assert (tmp_path / "apt").read_text().splitlines()[-1] == "purge -qq libwrk wrk"


def test_the_peers_packages_are_locked_by_hash() -> None:
    """npm compares the hashes."""
    lock = json.loads((PEER / "package-lock.json").read_text())
    wanted = json.loads((PEER / "package.json").read_text())["dependencies"]
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")] == []


def test_without_npm_the_peer_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything else can be measured."""
    monkeypatch.setattr("bench.stage.ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packed_peer() is None
    assert "npm" in capsys.readouterr().err


class FakeRunner:
    """Runs that take 10 s each, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def run(self, arm: Arm, seconds: int) -> Run:
        self.now += 10
        self.ran.append(arm.name)
        return Run(1, 1, 1, 0, {}, {})


@pytest.mark.parametrize(
    ("ends", "ran"),
    [(100, ["a", "b", "b", "a", "a", "b"]), (41, ["a", "b", "b", "a"]), (15, ["a", "b"]), (5, ["a"])],
)
def test_the_bench_ends_in_time(monkeypatch: pytest.MonkeyPatch, ends: float, ran: list[str]) -> None:
    """It starts no round that the time does not suffice for."""
    runner: Any = FakeRunner()
    monkeypatch.setattr(main, "monotonic", lambda: runner.now)
    box: Any = None
    results = main.measure(runner, [Arm("a", box, "", []), Arm("b", box, "", [])], 3, 1, ends)
    assert runner.ran == ran
    assert {name: len(runs) for name, runs in results.items()} == {name: ran.count(name) for name in "ab"}


@pytest.mark.parametrize(
    ("changes", "says"), [({"nftables_policy": "closed"}, "closed"), ({"machine_tls_is_on": True}, "machine_tls")]
)
def test_a_lab_in_which_the_peers_reach_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    """Every arm would fail one after the other."""
    usual = {name: lab().vars[name] for name in ("nftables_policy", "machine_tls_is_on")}
    refuse(cast("Lab", SimpleNamespace(is_for_breaking=True, vars=usual)))
    with pytest.raises(SystemExit, match=says):
        refuse(cast("Lab", SimpleNamespace(is_for_breaking=True, vars=usual | changes)))
