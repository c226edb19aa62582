"""The Makefile's verbs in a tree where each command only prints how it was called: no lab, no tools."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.inventory import ROOT
from lab.settings import Record

MOVED = {"LAB_INVENTORY": "inventory/lab", "LAB_SUBNET": "192.168.57", "LAB_RELEASE": "bookworm"}
SHOWN = 'echo "$(basename "$0") $*: $LAB_INVENTORY $LAB_SUBNET $LAB_RELEASE, $ANSIBLE_INVENTORY"'

PYTEST = """
[ "$2" = --quiet ] || echo "pytest $*"
case "$*" in
    --collect-only*) exit ${BROWSER:-0} ;;
    tests/testinfra*) exit ${TESTINFRA:-0} ;;
    tests/browser*) exit ${BROWSER:-0} ;;
esac
"""
"""Exits with the code that the test gives for each suite; 5: no test is selected."""
CHROMIUM = (
    "ansible-playbook --inventory inventory/lab --limit clients --tags client --extra-vars client_browser=true "
    "ansible/site.yml"
)


@dataclass(frozen=True)
class Tree:
    """The project's Makefile, with commands that only print how they were called."""

    root: Path

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "MAKE"))}
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.root,
            env=outside | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def command(self, path: str, script: str = SHOWN) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        file.chmod(0o755)

    @property
    def record(self) -> Record:
        return Record(self.root)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """With the inventories lab and production; .venv/bin has the tools that verbs run."""
    tree = Tree(tmp_path)
    for name in ("lab", "production"):
        (tmp_path / "inventory" / name).mkdir(parents=True)
    for name in (
        "Makefile",
        "lab/__init__.py",
        "lab/settings.py",
        "lab/alone",
        "lab/play",
        "lab/provider",
        "lab/verify",
    ):
        (tree.root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree.root / name)
    for tool in ("ansible-playbook", "vagrant", "pytest"):
        tree.command(f".venv/bin/{tool}")
    for script in ("status", "machine"):
        tree.command(f"lab/{script}")
    tree.command("lab/bootstrap", ":")
    tree.command(".venv/bin/sudo", ":")
    (tree.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tree


def test_make_up_records_what_it_was_started_with(tree: Tree) -> None:
    """All its steps run with the same settings, and so do later verbs."""
    tree.command(".venv/bin/ansible-playbook", f"{SHOWN}; python -m lab.settings record; echo table > .lab/status.txt")
    up = tree.make("up", LAB_SUBNET="192.168.57", LAB_RELEASE="bookworm")
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.splitlines() == [
        "ansible-playbook providers/podman/create.yml ansible/site.yml: "
        "inventory/lab 192.168.57 bookworm, inventory/lab",
        "table",
    ]
    assert tree.record.read() == MOVED
    shell = tree.make("ssh", "HOST=backend1", "CMD=echo it's $$HOME")
    assert shell.stdout == "machine ssh backend1 echo it's $HOME: inventory/lab 192.168.57 bookworm, inventory/lab\n"


def test_a_failed_start_keeps_the_record(tree: Tree) -> None:
    """A refused `make up` leaves the running lab untouched."""
    tree.record.write(MOVED)
    tree.command(".venv/bin/ansible-playbook", "exit 3")
    assert tree.make("up", "LAB_SUBNET=10.0.0").returncode != 0
    assert tree.record.read() == MOVED


def test_settings_work_on_the_command_line_of_make(tree: Tree) -> None:
    """`make status LAB_SUBNET=…` is the same as `LAB_SUBNET=… make status`."""
    tree.record.write(MOVED)
    status = tree.make("status", "LAB_SUBNET=10.0.0")
    assert status.stdout == "status : inventory/lab 192.168.57 bookworm, inventory/lab\n"
    assert status.stderr.count("LAB_SUBNET=10.0.0 is ignored") == 1


def test_a_verb_fails_with_its_command(tree: Tree) -> None:
    """The exit code reaches make."""
    tree.command("lab/status", "exit 7")
    status = tree.make("status")
    assert status.returncode != 0
    assert "Error 7" in status.stderr


def test_two_runs_on_one_lab_are_refused(tree: Tree) -> None:
    """Each would undo the other's work. Looking is allowed, and an ended run holds nobody up."""
    assert tree.make("provision").returncode == 0
    with (tree.root / ".lab" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = tree.make("deploy")
        assert tree.make("status").returncode == 0
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert "error: make provision is at work on this lab. Remedy: wait for it" in refused.stderr
    assert tree.make("deploy").returncode == 0


@pytest.mark.parametrize("vagrant", [False, True], ids=["containers", "virtual machines"])
def test_make_down_removes_the_record_with_the_lab(tree: Tree, vagrant: bool) -> None:
    """`down` acts on the machines of this host, whatever LAB_INVENTORY says. If it fails, the record stays."""
    if vagrant:
        (tree.root / ".vagrant" / "machines" / "dns1" / "libvirt").mkdir(parents=True)
        (tree.root / ".vagrant" / "machines" / "dns1" / "libvirt" / "id").touch()
    tool = "vagrant" if vagrant else "ansible-playbook"
    tree.record.write(MOVED)
    tree.command(f".venv/bin/{tool}", "exit 3")
    assert tree.make("down").returncode != 0
    assert tree.record.read() == MOVED
    tree.command(f".venv/bin/{tool}")
    down = tree.make("down", LAB_INVENTORY="inventory/production")
    assert down.stdout.startswith(f"{tool} ")
    assert ": inventory/lab 192.168.57 bookworm" in down.stdout
    assert "LAB_INVENTORY=inventory/production is ignored" in down.stderr
    assert tree.record.read() is None


@pytest.fixture
def verify(tree: Tree) -> Tree:
    tree.command(".venv/bin/pytest", PYTEST)
    tree.command(".venv/bin/ansible-playbook", 'echo "ansible-playbook $*"')
    tree.command(".venv/bin/ansible", 'echo "  hosts (${CLIENTS:-1}):"')
    return tree


def test_verify_tests_the_machines_and_then_the_page(verify: Tree) -> None:
    """Chromium is installed in between; both suites get the arguments as they were quoted."""
    verify.command(".venv/bin/pytest", PYTEST.replace("pytest $*", "pytest $1 <$3>"))
    done = verify.make("verify", "ARGS=-m 'not reboot'")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "pytest tests/testinfra <not reboot>",
        CHROMIUM,
        "pytest tests/browser <not reboot>",
    ]


def test_verify_skips_the_browser_where_there_is_no_client(verify: Tree) -> None:
    """Real servers have no machine for a user."""
    done = verify.make("verify", CLIENTS="0")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "pytest tests/testinfra",
        "Skipping the browser tests: inventory/lab has no clients",
    ]


@pytest.mark.parametrize(
    ("codes", "succeeds", "steps"),
    [
        ({"TESTINFRA": "1"}, False, ["pytest tests/testinfra"]),
        ({"BROWSER": "1"}, False, ["pytest tests/testinfra", CHROMIUM, "pytest tests/browser"]),
        ({"BROWSER": "5"}, True, ["pytest tests/testinfra"]),
        ({"TESTINFRA": "5"}, True, ["pytest tests/testinfra", CHROMIUM, "pytest tests/browser"]),
        ({"TESTINFRA": "5", "BROWSER": "5"}, False, ["pytest tests/testinfra"]),
    ],
    ids=["a test of the machines fails", "a test in the browser fails", "only machines", "only browser", "no test"],
)
def test_verify_fails_with_either_suite(verify: Tree, codes: dict[str, str], succeeds: bool, steps: list[str]) -> None:
    """ARGS may select tests of one suite only; the browser is only installed if it is used."""
    done = verify.make("verify", **codes)
    assert (done.returncode == 0) == succeeds
    assert done.stdout.splitlines() == steps


@pytest.mark.parametrize("suite", ["tests/testinfra/client", "tests/browser"])
def test_both_suites_know_the_markers(suite: str) -> None:
    """pytest refuses a marker in `-m` that no suite of the run has registered."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-m", "not disruptive and not reboot", suite]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_browser_can_be_left_out() -> None:
    """As for emulated machines: no test of the page is selected, so Chromium is not installed either."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-m",
        "not provisioning and not browser",
        "tests/browser",
    ]
    assert (
        subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode
        == pytest.ExitCode.NO_TESTS_COLLECTED
    )


def test_help_fits_a_terminal(tree: Tree) -> None:
    """Its groups are in the order in which newcomers need them."""
    lines = tree.make("help").stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "Start",
        "Look",
        "Change",
        "Prove",
        "Learn",
        "End",
    ]
    assert max(len(line) for line in lines) <= 80


@pytest.mark.parametrize("verb", ["snapshot", "reset"])
@pytest.mark.parametrize("vagrant", [False, True], ids=["containers", "virtual machines"])
def test_a_snapshot_has_the_name_of_the_command_line(tree: Tree, verb: str, vagrant: bool) -> None:
    """Not that of the environment, where WSL has the computer's."""
    if vagrant:
        (tree.root / ".vagrant" / "machines" / "dns1" / "libvirt").mkdir(parents=True)
        (tree.root / ".vagrant" / "machines" / "dns1" / "libvirt" / "id").touch()
    tool = tree.root / ".venv" / "bin" / ("vagrant" if vagrant else "ansible-playbook")
    tree.command(str(tool.relative_to(tree.root)), 'echo " $* "')
    assert "revezamento" in tree.make(verb, NAME="laptop").stdout
    named = tree.make(verb, "NAME=before-exercise").stdout
    assert (" before-exercise " if vagrant else " provider_snapshot=before-exercise ") in named


@pytest.mark.parametrize("name", ["Before", "a b", "-x", "a" * 32, "x;id", "$$(id)", "a'b", "x{{ 1 }}"])
def test_a_name_that_no_provider_takes_is_refused(tree: Tree, name: str) -> None:
    """Nothing is run, whatever the shell could read in it."""
    tree.command(".venv/bin/ansible-playbook", "echo ran")
    refused = tree.make("snapshot", f"NAME={name}")
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert "cannot name a snapshot" in refused.stderr


RUN = """
echo "${ANSIBLE_STDOUT_CALLBACK:-default} ${ANSIBLE_LOG_PATH:-no log} more=${STAGES_MORE:-} '$STAGES_COMMAND'"
[ -z "${ANSIBLE_LOG_PATH:-}" ] || echo "$*" >> "$ANSIBLE_LOG_PATH"
: > .lab/status.txt
"""
"""What Ansible is told to show and to log."""


def test_the_log_of_the_run_before_is_kept(tree: Tree) -> None:
    """And no older one. Nobody else can read either."""
    tree.command(".venv/bin/ansible-playbook", RUN)
    up = tree.make("up")
    assert up.stdout.splitlines() == ["stages .lab/log/up.log more= 'make up'"]
    log, former = tree.root / ".lab" / "log" / "up.log", tree.root / ".lab" / "log" / "up.log.1"
    assert log.read_text(encoding="utf-8") == "providers/podman/create.yml ansible/site.yml\n"
    assert log.parent.stat().st_mode & 0o077 == 0
    log.write_text("an earlier run\n", encoding="utf-8")
    tree.make("up")
    assert former.read_text(encoding="utf-8") == "an earlier run\n"
    assert "an earlier run" not in log.read_text(encoding="utf-8")


def test_v_shows_ansibles_own_output(tree: Tree) -> None:
    """As `V=1 make …` and as `make … V=1`."""
    tree.command(".venv/bin/ansible-playbook", RUN)
    for down in (tree.make("down", V="1"), tree.make("down", "V=1")):
        assert down.stdout == "default no log more= ''\n"


@pytest.mark.parametrize(("slow", "seconds"), [("", "default"), ("1", "default"), ("10", "300")])
def test_slow_machines_get_more_time_to_connect(tree: Tree, slow: str, seconds: str) -> None:
    """ansible.cfg has the default."""
    tree.command(".venv/bin/ansible-playbook", 'echo "${ANSIBLE_TIMEOUT:-default}"')
    assert tree.make("provision", LAB_SLOW=slow).stdout == f"{seconds}\n"


@pytest.mark.parametrize("slow", ["0", "abc", "1.5", "-1"])
def test_a_slowness_that_is_no_number_is_refused(tree: Tree, slow: str) -> None:
    """Ansible does not start."""
    refused = tree.make("provision", LAB_SLOW=slow)
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert f"LAB_SLOW={slow} is not a positive whole number" in refused.stderr


def test_provision_applies_one_role(tree: Tree) -> None:
    """A misspelled role is refused: Ansible would run nothing of it and succeed."""
    (tree.root / "ansible" / "roles" / "nginx").mkdir(parents=True)
    tree.command(".venv/bin/ansible-playbook", 'echo "$*"')
    assert tree.make("provision", "ROLE=nginx").stdout == "--tags nginx ansible/site.yml\n"
    switched = tree.make("provision", "ROLE=nginx", "ARGS=-e nginx_persistence=route_cookie").stdout
    assert switched == "--tags nginx -e nginx_persistence=route_cookie ansible/site.yml\n"
    refused = tree.make("provision", "ROLE=ngnix")
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert "error: there is no role ngnix. Roles: nginx" in refused.stderr
