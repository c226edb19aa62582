"""ansible/callback_plugins/stages.py: what a user sees while a verb of make runs, and after it has failed."""

from __future__ import annotations

import importlib.util
import io
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import ROOT

PLUGINS = ROOT / "ansible" / "callback_plugins"
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
PASSED = """
- name: First
  hosts: all
  gather_facts: false
  tasks:
    - {name: Change the machine, ansible.builtin.debug: {msg: hello}, changed_when: inventory_hostname == 'b1'}
    - {name: Keep a secret, ansible.builtin.debug: {msg: senha-da-ana}, no_log: true}
- name: Nothing to do
  hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.meta: end_host
- name: Nobody to do it
  hosts: nobody
  gather_facts: false
  tasks:
    - {name: Never, ansible.builtin.debug: {msg: never}}
- name: One by one
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: Recover
      block:
        - {name: Break, ansible.builtin.fail: {msg: rescued}}
      rescue:
        - {name: Repair, ansible.builtin.debug: {msg: repaired}}
    - {name: Ignore, ansible.builtin.fail: {msg: ignored}, ignore_errors: true}
"""
FAILED = """
- name: Backends
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait until the backend is ready
      ansible.builtin.fail: {msg: "not ready\\nlast line of its log"}
      when: inventory_hostname != 'b3'
    - name: Set the passwords
      ansible.builtin.fail: {msg: senha-da-ana}
      no_log: true
"""
UNREACHABLE = """
- name: Status
  hosts: all
  gather_facts: false
  ignore_unreachable: true
  any_errors_fatal: false
  tasks:
    - {name: Look, ansible.builtin.raw: "true"}
- name: Every machine
  hosts: all
  gather_facts: false
  tasks:
    - {name: Connect, ansible.builtin.raw: "true"}
- name: Backends
  hosts: all
  gather_facts: false
  tasks:
    - {name: Never, ansible.builtin.debug: {msg: never}}
"""
LONG = """
- name: Backends
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - {name: Take a while, ansible.builtin.command: sleep 60}
"""


def load() -> Any:
    spec = importlib.util.spec_from_file_location("stages", PLUGINS / "stages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stages = load()


@dataclass(frozen=True)
class Run:
    """A run of ansible-playbook on this computer, which is called b1, b2 and b3."""

    folder: Path

    def command(self, playbook: str, hosts: str = "b1,b2,b3,") -> list[str]:
        (self.folder / "playbook.yml").write_text(playbook, encoding="utf-8")
        python = f"ansible_python_interpreter={sys.executable}"
        return [ANSIBLE, f"--inventory={hosts}", "--connection=local", "--extra-vars", python, "playbook.yml"]

    @property
    def environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "STAGES_"))}
        return outside | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
            "ANSIBLE_STDOUT_CALLBACK": "stages",
            "ANSIBLE_LOG_PATH": "up.log",
            "STAGES_COMMAND": "make up",
            "TERM": "xterm",
        }

    def __call__(self, playbook: str, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command(playbook), *options],
            cwd=self.folder,
            env=self.environment | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> str:
        return (self.folder / "up.log").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


TIME = re.compile(r" +((?:failed|stopped) after )?(\d+\.\d s|\d+ min \d+ s)")


def without_times(text: str) -> list[str]:
    return [TIME.sub(r" \1TIME", line) for line in text.splitlines()]


def test_each_play_with_tasks_is_one_line(run: Run) -> None:
    """Batches do not repeat the line; failures that the playbook recovers from are none; warnings are shown."""
    done = run(PASSED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert without_times(done.stdout) == [
        "==> First TIME",
        "==> One by one TIME",
        "Done in TIME, 1 of 3 machines changed. Log: up.log",
    ]
    assert done.stderr == "[WARNING]: Could not match supplied host pattern, ignoring: nobody\n"


def test_the_log_has_what_ansible_prints(run: Run) -> None:
    """Also the summaries of other callbacks, but nothing that a task must not show."""
    run(PASSED)
    for expected in ("PLAY [Nobody to do it]", "TASK [Change the machine]", "changed: [b1]", "msg: ignored"):
        assert expected in run.log
    assert re.search(r"b1 +: ok=\d+ +changed=1", run.log)
    assert "TASKS RECAP" in run.log
    assert "senha-da-ana" not in run.log


def test_a_verb_has_one_total(run: Run) -> None:
    """It starts with the verb, and comes after the last of its playbooks."""
    assert "Done" not in run(PASSED, STAGES_MORE="1").stdout
    assert run(PASSED, "playbook.yml").stdout.splitlines()[-1].startswith("Done")
    assert run(PASSED, "playbook.yml").stdout.count("Done") == 1
    assert re.search(r"^Done in \d{3,} min", run(PASSED, STAGES_STARTED="1000000000").stdout, re.MULTILINE)


def test_a_failure_says_where_what_and_what_next(run: Run) -> None:
    """Machines with the same problem are named together."""
    done = run(FAILED)
    assert done.returncode == 2
    assert without_times(done.stdout) == [
        "==> Backends failed after TIME",
        "",
        "FAILED on b1, b2: Wait until the backend is ready",
        "    not ready",
        "    last line of its log",
        "",
        "Next: make logs HOST=b1 shows more. Correct the cause, then run make up again.",
        "Log: up.log",
    ]


@pytest.mark.parametrize("loop", ["", "\n      loop: [1, 2]"], ids=["a task", "a loop"])
def test_a_failure_keeps_a_secret(run: Run, loop: str) -> None:
    """`no_log` also hides the message of the exception, which the default callback shows."""
    done = run(FAILED.replace("!= 'b3'", "== 'nobody'").replace("no_log: true", f"no_log: true{loop}"))
    assert "FAILED on b1, b2, b3: Set the passwords\n    the output has been hidden" in done.stdout
    assert "senha-da-ana" not in done.stdout + done.stderr + run.log


def test_a_machine_that_does_not_answer(run: Run) -> None:
    """The stage that lost it has failed; one that may lose machines has not."""
    # Every machine gives the same reason: a refused connection. With a proxy command that ends, ssh's message varies.
    done = run(UNREACHABLE, "--connection=ssh", "--ssh-common-args=-o HostName=127.0.0.1 -o Port=1")
    assert done.returncode == 4
    assert without_times(done.stdout)[:4] == [
        "==> Status TIME",
        "==> Every machine failed after TIME",
        "",
        "FAILED on b1, b2, b3: Connect",
    ]
    assert done.stdout.endswith(
        "\n\nNext: make status shows which machines answer. Then run make up again.\nLog: up.log\n"
    )


def test_a_message_with_a_remedy_gets_no_other(run: Run) -> None:
    """For example a subnet that is in use."""
    done = run(FAILED.replace("not ready", "Remedy: LAB_SUBNET=192.168.57 make up"))
    assert "Remedy: LAB_SUBNET=192.168.57 make up" in done.stdout
    assert "Next:" not in done.stdout


def test_an_error_of_ansible_itself_is_shown(run: Run) -> None:
    """It does not belong to a machine: a role that is missing, a template of a play that has a mistake."""
    done = run(f"{LONG}    - ansible.builtin.import_role: {{name: nowhere}}\n")
    assert done.returncode not in (0, 2)
    assert "the role 'nowhere' was not found" in done.stderr
    late = run(PASSED + '- name: Late\n  hosts: all\n  serial: "{{ nothing }}"\n')
    assert "'nothing' is undefined" in late.stderr
    assert late.stdout.endswith("It is safe to run make up again. Log: up.log\n")


def test_ctrl_c_on_a_terminal(run: Run) -> None:
    """The running line shows batch, task and a clock that moves; afterwards the user knows what to do."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        run.command(LONG, "b1,"), cwd=run.folder, env=run.environment, stdout=child, stderr=child, stdin=child
    )
    os.close(child)
    killer = threading.Timer(60, process.kill)  # so that a run without a clock fails
    killer.start()
    shown = ""
    is_interrupted = False
    with suppress(OSError):  # the terminal is closed when the process ends
        while text := os.read(parent, 4096):
            shown += text.decode()
            if not is_interrupted and re.search(r"\r\033\[K==> Backends \(b1\): Take a while  [1-9]\d* s$", shown):
                process.send_signal(signal.SIGINT)
                is_interrupted = True
    killer.cancel()
    os.close(parent)
    assert process.wait() == 99, shown
    *lines, rest = shown.split("\r\n")
    assert rest == ""
    assert without_times("\n".join(lines[-2:])) == [
        "==> Backends stopped after TIME",
        "It is safe to run make up again. Log: up.log",
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_other_lines_do_not_mix_with_the_open_one(is_terminal: bool) -> None:
    """A warning in the middle of a stage starts at the beginning of a line, and the stage is shown again."""
    stream = io.StringIO()
    screen = stages.Screen(stream, threading.RLock(), is_terminal=is_terminal)
    screen.open("Backends", 0.0)
    screen.clear()
    stream.write("[WARNING]: old\n")
    screen.close()
    text = stream.getvalue()
    assert text.count("==> Backends") == 2
    assert ("\033" in text) == is_terminal
    before, _, after = text.partition("[WARNING]: old\n")
    assert before.endswith("\r\033[K" if is_terminal else "==> Backends\n")
    assert after.startswith("==> Backends ")


def test_the_running_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that wraps could not be rewritten. The clock stays visible."""
    monkeypatch.setattr(stages.Screen, "columns", 30)
    stream = io.StringIO()
    screen = stages.Screen(stream, threading.RLock(), is_terminal=True)
    screen.open("Backends", stages.time.monotonic())
    screen.set_detail(": Wait until the backend is ready")
    line = stream.getvalue().split("\r\033[K")[-1]
    assert line.startswith("==> Backends: Wait until")
    assert line.endswith("  0 s")
    assert len(line) <= 30


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"msg": "non-zero return code", "stderr": "no space\n", "stdout": "out"}, "non-zero return code\nno space"),
        ({"msg": "non-zero return code", "stderr": "", "stdout": "out"}, "non-zero return code\nout"),
        ({"msg": "MODULE FAILURE", "module_stderr": "Traceback"}, "MODULE FAILURE\nTraceback"),
        ({"msg": "apt failed: no space", "stderr": "no space"}, "apt failed: no space"),
        ({"msg": "failed", "stderr": "\n".join(map(str, range(40)))}, "\n".join(["failed", *map(str, range(25, 40))])),
        ({}, "no message"),
        (
            {
                "msg": "One or more items failed",
                "results": [
                    {"item": 1, "failed": False, "msg": ""},
                    {"item": 2, "failed": True, "msg": "bad"},
                    {"item": {"name": 3}, "_ansible_item_label": "three", "failed": True, "msg": "worse"},
                ],
            },
            "2: bad\nthree: worse",
        ),
    ],
    ids=["stderr", "stdout", "a module breaks", "nothing twice", "only the last lines", "nothing", "a loop"],
)
def test_the_reason_of_a_failure(result: dict[str, Any], text: str) -> None:
    """The message, and the last lines of what the command printed, where it is not in the message already."""
    assert stages.reason(result) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (59.97, "1 min 0 s"), (92.4, "1 min 32 s")]
)
def test_durations(seconds: float, text: str) -> None:
    """No duration reads `60.0 s`."""
    assert stages.duration(seconds) == text
