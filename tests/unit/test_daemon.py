"""The module `daemon` compares what runs with what is written: when it starts, restarts, reloads, and when it does not.

systemctl is a stand-in here; tests/testinfra/provisioning has the module on real machines.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import daemon
import pytest
from daemon import Daemon


class Systemd:
    """One unit: answers `systemctl show` and counts the other commands."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {
            "unit": "x.service",
            "drop_in": None,
            "sandbox": False,
            "stop_first": [],
            "reload": False,
            "restart": False,
        }
        self.check_mode = False
        self.is_active, self.boots, self.started, self.enabled = False, 0, 0.0, False
        self.done: list[str] = []
        self.changed = ""

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        verb = command[1]
        if verb != "show":
            self.done.append(" ".join(command[1:]))
        if verb in ("start", "restart"):
            self.start()
        self.enabled |= verb == "enable"
        started = datetime.fromtimestamp(self.started, UTC).strftime("%a %Y-%m-%d %H:%M:%S.%f UTC")
        shown = {
            "LoadState": "loaded",
            "ActiveState": "active" if self.is_active else "inactive",
            "UnitFileState": "enabled" if self.enabled else "disabled",
            "NeedDaemonReload": "yes" if command[-1] == self.changed else "no",
            "InvocationID": str(self.boots),
            "InactiveExitTimestamp": started if self.boots else "",
            "FragmentPath": "/usr/lib/systemd/system/x.service",
            "DropInPaths": "",
        }
        asked = [name for name in shown if name in command[-2]]
        return 0, "\n".join(f"{name}={shown[name]}" for name in asked), ""

    def start(self) -> None:
        """Start the unit, on request or after a crash."""
        time.sleep(0.02)  # later than the mtime of the files
        self.is_active, self.boots, self.started = True, self.boots + 1, time.time()
        time.sleep(0.02)

    def converge(self) -> str:
        """Run the module once and return its action."""
        self.done.clear()
        return str(Daemon(self).run()["action"])


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setattr(daemon, "STAMPS", tmp_path / "run")
    (tmp_path / "restart.conf").write_text("1", encoding="utf-8")
    (tmp_path / "reload.conf").write_text("1", encoding="utf-8")
    fake = Systemd()
    fake.params |= {"restart_on": [str(tmp_path / "restart.conf")], "reload_on": [str(tmp_path / "reload.conf")]}
    return fake


def write(systemd: Systemd, kind: str, text: str) -> None:
    Path(systemd.params[f"{kind}_on"][0]).write_text(text, encoding="utf-8")


def test_a_stopped_unit_is_enabled_and_started(systemd: Systemd) -> None:
    """The first run."""
    assert systemd.converge() == "start"
    assert systemd.done == ["enable x.service", "start x.service"]


def test_a_second_run_changes_nothing(systemd: Systemd) -> None:
    """Idempotence: Ansible says changed=0."""
    systemd.converge()
    assert systemd.converge() == ""
    assert systemd.done == []


@pytest.mark.parametrize("kind", ["restart", "reload"])
def test_a_changed_file_restarts_or_reloads_the_unit(systemd: Systemd, kind: str) -> None:
    """It does not matter whether this run or an interrupted one wrote it."""
    systemd.converge()
    write(systemd, kind, "2")
    assert systemd.converge() == kind
    assert systemd.converge() == ""


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_an_action_can_be_ordered(systemd: Systemd, action: str) -> None:
    """For what no file tells, such as accounts that cannot be changed in any other way."""
    systemd.converge()
    systemd.params[action] = True
    assert systemd.converge() == action


def test_a_restart_makes_a_reload_unnecessary(systemd: Systemd) -> None:
    """A daemon reads all its files when it starts."""
    systemd.converge()
    write(systemd, "restart", "2")
    write(systemd, "reload", "2")
    assert systemd.converge() == "restart"
    assert systemd.converge() == ""


def test_a_rewritten_file_with_the_same_content_changes_nothing(systemd: Systemd) -> None:
    """The content is compared, not the modification time."""
    systemd.converge()
    write(systemd, "restart", "1")
    assert systemd.converge() == ""


@pytest.mark.parametrize("kind", ["restart", "reload"])
def test_after_an_unexpected_restart_times_are_compared(systemd: Systemd, kind: str) -> None:
    """Files older than the start are in effect, newer ones are not."""
    systemd.converge()
    write(systemd, kind, "2")
    systemd.start()
    assert systemd.converge() == ""
    systemd.start()
    write(systemd, kind, "3")
    assert systemd.converge() == kind


def test_the_first_run_over_a_running_daemon_compares_times(systemd: Systemd) -> None:
    """A package starts its daemon before the role writes its configuration."""
    systemd.start()
    write(systemd, "restart", "2")
    assert systemd.converge() == "restart"


def test_check_mode_only_predicts(systemd: Systemd) -> None:
    """`--check` reports changes without making them."""
    systemd.converge()
    write(systemd, "reload", "2")
    systemd.check_mode = True
    assert systemd.converge() == "reload"
    assert systemd.done == []


def test_dependent_units_are_stopped_before_a_restart(systemd: Systemd) -> None:
    """A socket cannot be replaced while its service uses it."""
    systemd.params["stop_first"] = ["y.service"]
    systemd.converge()
    write(systemd, "restart", "2")
    systemd.converge()
    assert systemd.done == ["stop y.service", "restart x.service"]


def test_a_sandbox_stands_before_what_the_role_gives_back(systemd: Systemd, tmp_path: Path) -> None:
    """systemd lets the later of two settings win, and adds to lists."""
    one = Daemon(systemd)
    one.drop_in = tmp_path / "x.service.d" / "revezamento.conf"
    systemd.params |= {"drop_in": "[Service]\nUMask=0007\n\n", "sandbox": True}
    assert one.write_drop_in()
    text = one.drop_in.read_text(encoding="utf-8")
    assert text == f"# Ansible managed\n{daemon.SANDBOX}[Service]\nUMask=0007\n"
    assert not one.write_drop_in()
    systemd.params["sandbox"] = False
    assert one.write_drop_in()
    assert daemon.SANDBOX not in one.drop_in.read_text(encoding="utf-8")


@pytest.mark.parametrize(("changed", "reads"), [("x.timer", True), ("x.service", True), ("y.service", False)])
def test_systemd_reads_the_service_of_a_timer_again(systemd: Systemd, changed: str, reads: bool) -> None:
    """A timer would go on starting the service as it was."""
    systemd.params["unit"] = "x.timer"
    systemd.converge()
    systemd.changed = changed
    assert systemd.converge() == ""
    assert systemd.done == (["daemon-reload"] if reads else [])
