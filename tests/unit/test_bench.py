"""The benchmarks of requests and of failed logins: what they run, count and show; they need a lab for the rest."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bench import redis_calls, sessions, tls
from bench.arms import NAMES, Arm, command, logins, name_of
from bench.logins import PROGRAM, report
from bench.measure import USAGE, Run
from bench.ranks import mann_whitney
from bench.report import HEADER, RATIO_HEADER, ratios, table
from lab.inventory import ROOT
from tests.certificates import self_signed

NO_BOX: Any = None


def test_a_request_has_its_cookie_or_its_body() -> None:
    """Both may contain anything, and come out of the shell unchanged."""
    get = shlex.split(command(Arm("x", NO_BOX, "http://x/perfil", []), 5, "a=b; c='d", "/s"))
    assert get[-2:] == ["--header=Cookie: a=b; c='d", "http://x/perfil"]
    post = shlex.split(command(Arm("x", NO_BOX, "http://x/login", [], body='{"a": "$b"}'), 5, "", "/s"))
    assert post[-3:] == ["http://x/login", "--", '{"a": "$b"}']
    meanwhile = logins(Arm("x", NO_BOX, "http://x/perfil", [], session="ours", logins="{}"))
    login = shlex.split(command(meanwhile, 5, "", "/s", 8))
    assert (login[2], login[-3:]) == ("--connections=8", ["http://x/login", "--", "{}"])


def test_a_units_processes_are_counted(tmp_path: Path) -> None:
    """All of each unit's, and no others; a process may end while it is being looked at."""
    found = (1, "init.scope", 900), (20, "app.service", 3), (21, "app.service", 4), (30, "", 500), (31, "b.service", 1)
    for pid, unit, ticks in found:
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cgroup").write_text(f"0::/system.slice/{unit}\n")
        (folder / "stat").write_text(f"{pid} (a) b) S {'0 ' * 10}{ticks} 1 0\n")
        (folder / "smaps_rollup").write_text("Rss: 9000 kB\nPss: 1000 kB\nPss_Dirty: 10 kB\n")
    (tmp_path / "40").mkdir()
    program = [sys.executable, "-c", USAGE.replace("/proc", str(tmp_path))]
    asked = json.dumps(["app.service", "b.service", "gone.service"])
    done = subprocess.run(program, input=asked, capture_output=True, text=True, check=True)
    tick = 1e6 / os.sysconf("SC_CLK_TCK")
    usage = {"app.service": [9 * tick, 2000], "b.service": [2 * tick, 1000], "gone.service": [0, 0]}
    assert json.loads(done.stdout) == usage


def run(rate: float, cpu: float = 300, p99: float = 2, memory: float = 78.2, failed: int = 0) -> Run:
    return Run(rate, 1.0, p99, failed, {"app": cpu}, {"app": memory})


def test_the_table_shows_medians_and_spread() -> None:
    """A single slow round does not count, but shows; an arm that time did not suffice for is not there."""
    runs = [run(rate, failed=failed) for rate, failed in ((9, 0), (3, 1), (8, 0))]
    header, _, row = table({"/perfil": runs, "/": []}).splitlines()
    assert header.count("|") == row.count("|") == len(HEADER) + 1
    assert row == "| /perfil | **8** (3-9) | 1.0 | 2.0 | app **300** (300-300) | app 78 | 1 |"


def test_ratios_compare_runs_of_the_same_round() -> None:
    """A computer that is busy in one round slows both: the medians of each would compare different rounds."""
    results = {
        name_of("/perfil", "leader", 2): [run(100, 300, 4, 50), run(50, 600, 4, 50), run(1, 1, 1, 1)],
        name_of("/perfil", "express", 2): [run(80, 400, 4, 100), run(40, 800, 2, 100)],
    }
    header, _, row = ratios(results, 2, 3).splitlines()
    assert header.count("|") == row.count("|") == len(RATIO_HEADER) + 1
    numbers = "**0.75** (0.75-0.75) | **1.25** (1.25-1.25) | **1.50** (1.00-2.00) | **0.50** (0.50-0.50)"
    assert row == f"| {NAMES['leader']} / {NAMES['express']}, direct | {numbers} |"
    assert ratios({}, 2, 3) == ""


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


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler, bytes], Mapping[str, str]]) -> Iterator[int]:
    """Answer each POST on a port of this computer: `answer` gets the request and its body, and returns cookies."""

    class Site(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            cookies = answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200 if cookies or self.path == "/logout" else 401)
            for cookie in cookies.items():
                self.send_header("Set-Cookie", "=".join(cookie))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        Thread(target=site.serve_forever).start()
        try:
            yield site.server_port
        finally:
            site.shutdown()


def printed(program: str, argument: Mapping[str, Any]) -> Any:
    """What a program prints that the bench runs on a machine."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=json.dumps(argument), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_failed_logins_are_timed_one_by_one() -> None:
    """Each from an address of its own, which a trusted frontend may name, and of both kinds."""
    seen: list[tuple[str, str]] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> dict[str, str]:
        seen.append((json.loads(body)["usuario"], request.headers["X-Forwarded-For"]))
        return {}

    with serving(answer) as port:
        times = printed(PROGRAM, {"address": "127.0.0.1", "port": port, "users": ["ana"], "timings": 5, "warm_up": 2})
    assert [len(times[kind]) for kind in ("unknown", "known")] == [5, 5]
    assert len({address for _, address in seen}) == 14
    assert [name for name, _ in seen].count("ana") == 7


def test_successful_logins_are_timed_and_logged_out() -> None:
    """A hundred sessions more would be left, and the first logins open connections."""
    seen: list[tuple[str, str | None]] = []

    def answer(request: BaseHTTPRequestHandler, _: bytes) -> dict[str, str]:
        seen.append((request.path, request.headers["Cookie"]))
        is_login = request.path == "/login"
        return {"sessao": f"{len(seen)}; Path=/", "aparelho": "x; Path=/login"} if is_login else {}

    with serving(answer) as port:
        users = ["a", "b", "a"]
        argument = {"address": "127.0.0.1", "port": port, "users": users, "senha": "s", "warm_up": 1}
        assert len(printed(sessions.LOG_IN, argument)) == 2
    logins, logouts = seen[::2], seen[1::2]
    assert logins == [("/login", None)] * 3
    assert logouts == [("/logout", f"sessao={number}; aparelho=x") for number in (1, 3, 5)]


def test_the_app_itself_reads_the_sessions() -> None:
    """With all the settings that it needs to connect: here it gets as far as a Redis that is not there."""
    argument = {"redis": ["127.0.0.1", 1], "user": "", "password": "", "sessions": 1}
    done = subprocess.run(
        [sys.executable, str(sessions.PROGRAM)],
        input=json.dumps(argument),
        env=os.environ | {"PYTHONPATH": str(ROOT / "app")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "redis.exceptions.ConnectionError: Error 111 connecting to 127.0.0.1:1" in done.stderr


def test_the_report_of_sessions_shows_each_size_and_what_is_left() -> None:
    """Every key of a session counts, and none may stay."""
    one = {"bytes": 962.4, "seconds": 1.2, "p50_us": 70.1, "p99_us": 300.9, "server_us": 15.81}
    kinds = {"session": 280.0, "visits": 120.0}
    found = {"1000": one, "bytes_by_key": kinds, "redis": "8.0.2", "left": {"keys": 2, "bytes": 0}}
    lines = sessions.report(found).splitlines()
    assert lines[0].count("|") == lines[2].count("|")
    assert lines[2] == "| 1,000 | **962** | 70, 301 | 15.8 | 1 s |"
    assert lines[-2:] == ["Redis 8.0.2. Bytes of one session by key: session 280, visits 120", "Left behind: 2 keys"]


def test_the_ways_to_read_a_session_are_shown_with_what_they_leave() -> None:
    """The cheapest ones count the visits of sessions that have ended."""
    cost = redis_calls.Cost(cpu_us=[20, 30, 25], in_commands_us=[3, 4, 5], leaves=1)
    header, _, row = redis_calls.table({"pipelined": cost}).splitlines()
    assert header.count("|") == row.count("|")
    assert row == "| pipelined | **25.0** (20.0-30.0) | 4.0 | 1 |"


@pytest.fixture
def https_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server whose certificate is for www.example.com, trusted by programs that start from now on."""
    own = self_signed(["www.example.com"])
    file = tmp_path / "server.pem"
    file.write_text(own.certificate + own.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    class Site(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/status/backend1" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True)
        Thread(target=site.serve_forever).start()
        try:
            yield site.server_port
        finally:
            site.shutdown()


@pytest.mark.parametrize("resumed", [False, True])
def test_requests_over_tls_are_sent_in_each_way(https_port: int, resumed: bool) -> None:
    """The program itself checks that sessions are resumed, or not."""
    argument = {
        **{"address": "127.0.0.1", "port": https_port, "name": "www.example.com", "path": "/status/backend1"},
        **{"requests": 3, "tls": True, "resumed": resumed},
    }
    assert printed(tls.PROGRAM, argument).startswith("TLSv1.")
    with pytest.raises(subprocess.CalledProcessError):
        printed(tls.PROGRAM, argument | {"path": "/"})


def test_the_cost_of_tls_is_shown_round_by_round() -> None:
    """A round that is slow in both ways does not count as TLS."""
    costs = {way: [100.0, 200.0, 110.0] for way in tls.WAYS}
    costs["HTTPS, whole handshake"] = [400.0, 510.0, 409.0]
    lines = tls.report(costs, "TLSv1.3").splitlines()
    assert lines[3] == "| HTTPS, whole handshake | **409** (404 to 460) | **300** (300 to 305) |"
    assert lines[2] == "| plain HTTP | **110** (105 to 155) |  |"
    assert lines[-1].startswith("TLSv1.3. Medians of 3 rounds")
