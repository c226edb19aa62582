"""The benchmarks of requests and of failed logins: what they run, count and show; they need a lab for the rest."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bench.arms import Arm
from bench.logins import PROGRAM, report
from bench.measure import USAGE, Run, command
from bench.ranks import mann_whitney
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


@pytest.mark.parametrize(
    ("first", "second", "share", "p"),
    [
        # As scipy's mannwhitneyu(…, method="asymptotic").
        ([19, 22, 16, 29, 24], [20, 11, 17, 12], 17 / 20, 0.11134688653314041),
        ([1, 2, 3], [4, 5, 6], 0, 0.08085559837005224),
        ([1, 2, 3], [1, 2, 3], 0.5, 1),
        ([7, 7], [7, 7, 7], 0.5, 1),
    ],
)
def test_ranks_tell_whether_one_kind_takes_longer(
    first: list[float], second: list[float], share: float, p: float
) -> None:
    """Ties count half."""
    assert mann_whitney(first, second) == pytest.approx((share, p))
    assert mann_whitney(second, first) == pytest.approx((1 - share, p))


def test_the_report_of_logins_says_whether_the_times_differ() -> None:
    """And how much, in microseconds."""
    alike, slower = [0.03 + number / 1e5 for number in range(50)], [0.04 + number / 1e5 for number in range(50)]
    assert "do not tell who has an account" in report(alike, alike)
    assert "the times differ" in report(alike, slower)
    assert "+10000 µs" in report(alike, slower)


def test_failed_logins_are_timed_one_by_one() -> None:
    """Each from an address of its own, which a trusted frontend may name, and of both kinds."""
    seen: list[tuple[str, str]] = []

    class Site(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((body["usuario"], self.headers["X-Forwarded-For"]))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        Thread(target=site.serve_forever).start()
        argument = {"address": "127.0.0.1", "port": site.server_port, "users": ["ana"], "timings": 5, "warm_up": 2}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, input=json.dumps(argument), capture_output=True, text=True, check=True)
        site.shutdown()
    times = json.loads(done.stdout)
    assert [len(times[kind]) for kind in ("unknown", "known")] == [5, 5]
    assert len({address for _, address in seen}) == 14
    assert [name for name, _ in seen].count("ana") == 7
