"""The benchmark of requests: what it runs, counts and shows; it needs a lab for the rest."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.arms import Arm
from bench.measure import USAGE, Run, command
from bench.report import HEADER, table

NO_BOX: Any = None


def test_a_request_has_its_cookie_or_its_body() -> None:
    """Both may contain anything, and come out of the shell unchanged."""
    get = shlex.split(command(Arm("x", NO_BOX, "http://x/perfil", [], cookie="a=b; c='d"), 5))
    assert get[-2:] == ["--header=Cookie: a=b; c='d", "http://x/perfil"]
    post = shlex.split(command(Arm("x", NO_BOX, "http://x/login", [], body='{"a": "$b"}'), 5))
    assert post[-3:] == ["http://x/login", "--", '{"a": "$b"}']


def test_a_units_processes_are_counted(tmp_path: Path) -> None:
    """All of the unit's, and no others; a process may end while it is being looked at."""
    for pid, unit, ticks in ((1, "init.scope", 900), (20, "app.service", 3), (21, "app.service", 4), (30, "", 500)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cgroup").write_text(f"0::/system.slice/{unit}\n")
        (folder / "stat").write_text(f"{pid} (a) b) S {'0 ' * 10}{ticks} 1 0\n")
        (folder / "smaps_rollup").write_text("Rss: 9000 kB\nPss: 1000 kB\nPss_Dirty: 10 kB\n")
    (tmp_path / "40").mkdir()
    program = [sys.executable, "-c", USAGE.replace("/proc", str(tmp_path))]
    done = subprocess.run(program, input='"app.service"', capture_output=True, text=True, check=True)
    processor, memory = json.loads(done.stdout)
    assert (processor * os.sysconf("SC_CLK_TCK") / 1e6, memory) == (9, 2000)


def test_the_table_shows_medians_and_spread() -> None:
    """A single slow round does not count, but shows."""
    runs = [
        Run(rate, 1.0, 2.0, failed, {"backends": 300.0}, {"backends": 78.2})
        for rate, failed in ((9, 0), (3, 1), (8, 0))
    ]
    header, _, row = table({"/perfil": runs}).splitlines()
    assert header.count("|") == row.count("|") == len(HEADER) + 1
    assert row == "| /perfil | **8** (3-9) | 1.0 | 2.0 | backends **300** (300-300) | backends 78 | 1 |"
