"""tests/stages.py: a stage fails with its command, or if Ansible changed what it should not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.inventory import ROOT
from lab.waiting import wait_until
from tests import stages
from tests.stages import ELSEWHERE, MODES, REST, SHORT, Failed, Stage

CHANGED = """\
2026-11-24 19:47:28,729 PLAY RECAP ****
2026-11-24 19:47:28,729 backend1                   : ok=48   changed=0    unreachable=0    failed=0
2026-11-24 19:47:28,730 backend2                   : ok=47   changed=12   unreachable=0    failed=0
client                     : ok=30   changed=1    unreachable=0    failed=0
"""


def test_a_failed_command_fails_its_stage() -> None:
    """Later commands of the stage do not run."""
    with pytest.raises(Failed, match="`exit 3` ended with exit status 3"):
        Stage("", ["true", "exit 3", "exit 4"]).run()


def test_a_run_that_should_change_nothing_names_the_changed_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    log = tmp_path / "provision.log"
    log.write_text(CHANGED, encoding="utf-8")
    with pytest.raises(Failed, match="it changed backend2, client, but there was nothing to change"):
        Stage("", ["true"], Path("provision.log")).run()
    log.write_text("\n".join(CHANGED.splitlines()[:2]), encoding="utf-8")
    Stage("", ["true"], Path("provision.log")).run()


def test_a_log_without_a_recap_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log in another format must not look like a run that changed nothing."""
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    (tmp_path / "empty.log").touch()
    with pytest.raises(Failed, match="has no recap"):
        Stage("", ["true"], Path("empty.log")).run()


def test_every_test_of_the_lab_belongs_to_a_stage() -> None:
    """Each marker that `make test` leaves out has a stage of its own; that of the route cookie is not in CI."""
    modes = " ".join(command for stage in MODES for command in stage.commands)
    assert "-m route_cookie" in modes
    commands = " ".join(command for stage in [*SHORT, *REST, ELSEWHERE] for command in stage.commands)
    for part in (
        "-m provisioning",
        "-m reboot",
        "tests/browser",
        "tests/exercises",
        "tests/control",
        "drills backend1-power",
        "python -m audit",
        "test-box",
        "test-servers",
    ):
        assert part in commands


SUITE = """
import pathlib, pytest, time
FOLDER = pathlib.Path(__file__).parent

@pytest.fixture
def machine():
    (FOLDER / "started").touch()
    yield
    (FOLDER / "ended").touch()

def test_it(machine):
    time.sleep(60)
"""


def test_sigterm_ends_what_a_run_has_started(tmp_path: Path) -> None:
    """Also where Ctrl-C is ignored, as by a shell's background jobs."""
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    pytest_ = [sys.executable, "-m", "pytest", "-p", "tests.conftest", f"--rootdir={tmp_path}", str(tmp_path)]
    with subprocess.Popen([*ignoring, *pytest_], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}) as run:
        wait_until((tmp_path / "started").exists, "the test runs", 30)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=20) == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "ended").exists()
