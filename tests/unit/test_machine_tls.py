"""Members that serve do not change between TLS and plain connections, or to another authority, one at a time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import ROOT
from tests.certificates import self_signed

PLAY = """
- hosts: redis, mysql
  gather_facts: false
  connection: local
  vars:
    tls_folder: "{{ folder }}/{{ has[inventory_hostname] | default('nothing') }}"
    in_service: "{{ inventory_hostname != 'mysql1' }}"
  tasks:
    - ansible.builtin.import_tasks: {{ tasks }}
"""
VARIABLES = {
    "tiers": {
        "redis": {"units": ["redis-sentinel.service", "redis-server.service"]},
        "mysql": {"units": ["mariadb.service"]},
    },
    "machine_tls_is_on": True,
    "redis_replicated": True,
    "mysql_replicated": True,
    "ansible_python_interpreter": sys.executable,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two authorities, of which the first is ours."""
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_text(self_signed([name]).certificate, encoding="utf-8")
    return tmp_path


def run(folder: Path, has: dict[str, str], **changes: Any) -> tuple[dict[str, str], list[str]]:
    """The refusals of all machines, which are this computer, and what systemctl was told, with a stand-in for it.

    `has` says whose certificates a machine has. mysql1 does not serve.
    """
    (folder / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{folder}/told\n', encoding="utf-8")
    (folder / "systemctl").chmod(0o755)
    play = folder / "play.yml"
    play.write_text(PLAY.replace("{{ tasks }}", str(ROOT / "ansible" / "tasks" / "machine_tls.yml")), encoding="utf-8")
    variables = VARIABLES | {"folder": str(folder), "has": has, "machine_ca_folder": str(folder / "ours")} | changes
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory=inventory/ha", str(play)]
    done = subprocess.run(
        [*command, "--extra-vars", json.dumps(variables)],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_STRATEGY": "linear", "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    refusals = re.findall(
        r"^fatal: \[(\w+)\]: FAILED! => \n(?: .*\n)*? +msg: \|-?\n +(.*)\n", done.stdout, re.MULTILINE
    )
    assert (done.returncode != 0) == bool(refusals), done.stdout + done.stderr
    assert ("-e machine_tls_change=true" in done.stdout) == (bool(refusals) and "machine_tls_change" not in changes)
    told = folder / "told"
    return dict(refusals), told.read_text(encoding="utf-8").splitlines() if told.exists() else []


def test_a_change_to_tls_is_refused_and_the_message_says_how(folder: Path) -> None:
    """Members would not understand each other. One that does not serve yet, or changes nothing, is not refused."""
    has = {"redis2": "other", "redis3": "ours", "mysql3": "ours"}
    refusals, told = run(folder, has)
    other = f"has a certificate of another authority than {folder / 'ours'}, which is not the folder that it came from."
    plain = "serves without TLS, and machine_tls is true."
    assert refusals == {"redis1": f"redis1 {plain}", "redis2": f"redis2 {other}", "mysql2": f"mysql2 {plain}"}
    assert told == []


def test_a_change_to_plain_connections_is_refused(folder: Path) -> None:
    """A single database has no other members: it changes at once."""
    refusals, _ = run(folder, {"redis1": "ours", "mysql2": "ours"}, machine_tls_is_on=False, mysql_replicated=False)
    assert refusals == {"redis1": "redis1 serves with TLS, and machine_tls is false."}


def test_a_change_that_was_asked_for_stops_all_first(folder: Path) -> None:
    """What would replace the primary stops before the daemons, which stop at the same time."""
    has = {"redis1": "other", "mysql1": "ours", "mysql2": "ours", "mysql3": "ours"}
    refusals, told = run(folder, has, machine_tls_change="true")
    assert refusals == {}
    assert told[:3] == ["stop redis-sentinel.service"] * 3
    assert sorted(told[3:]) == ["stop mariadb.service"] * 3 + ["stop redis-server.service"] * 3


def test_a_change_that_was_cut_off_is_repeated(folder: Path) -> None:
    """The files are new already, and the daemons may have started with the former settings."""
    refusals, told = run(folder, dict.fromkeys(("redis1", "mysql2"), "ours"), machine_tls_change="true")
    assert refusals == {}
    assert len(told) == 9


def test_a_part_does_not_change(folder: Path) -> None:
    """What stops would stay stopped, or not find the others."""
    refusals, told = run(folder, {}, machine_tls_change="true", ansible_limit="redis1")
    assert refusals
    assert told == []
