"""The checks of the exercises on a lab that is only an inventory: its machines say what each test has them say.

tests/exercises runs the same checks on real machines. Here, a wrong answer takes milliseconds.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exercises.catalogue import EXERCISES
from exercises.evidence import Evidence, Outage, Request
from exercises.judge import Case, judge
from exercises.sheet import Answers
from lab.inventory import ROOT, Inventory
from lab.machines import Box, Lab
from tests.visitors import digest

BEGUN = 1_764_000_000.0
Answered = Mapping[str, str]
Misses = Callable[..., set[str]]


def request(at: float, **details: Any) -> Request:
    """A request of the user's computer, some seconds after the exercise was begun."""
    fields: dict[str, Any] = {
        "frontend": "frontend1",
        "request_id": f"{int(at):032x}",
        "client": "172.20.0.100",
        "method": "GET",
        "path": "/perfil",
        "status": 200,
        "seconds": 0.01,
        "backends": ("backend1",),
        "agent": "",
    }
    return Request(time=BEGUN + at, **fields | details)


def outage(stopped: float, started: float) -> Outage:
    return Outage(BEGUN + stopped, BEGUN + started)


class Records(Evidence):
    """What the machines have recorded."""

    def __init__(
        self,
        lab: Lab,
        requests: list[Request] | None = None,
        outages: Mapping[tuple[str, str], Outage] | None = None,
        lines: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(lab, BEGUN)
        self.__dict__["requests"] = requests or []
        self._outages, self._lines = outages or {}, lines or {}

    def outages(self, box: Box, unit: str) -> list[Outage]:
        return [self._outages[box.name, unit]] if (box.name, unit) in self._outages else []

    def app_lines(self, box: Box, text: str = "") -> list[dict[str, Any]]:
        return [self._lines[box.name]] if box.name in self._lines else []

    def up_since(self, box: Box) -> float:
        return BEGUN + 50


@pytest.fixture(scope="module", params=["lab"])
def lab(request: pytest.FixtureRequest) -> Lab:
    lab = Lab(Inventory.load(f"inventory/{request.param}"))
    lab._control.cleanup()
    return lab


@pytest.fixture(autouse=True)
def _every_machine_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    for exercise in EXERCISES:
        monkeypatch.setattr(module_of(exercise.number), "differences", lambda _: {}, raising=False)


@pytest.fixture
def misses(lab: Lab) -> Misses:
    """Checks an exercise; returns the points that are missed."""

    def act(number: int, answers: Answered, records: Evidence, **changes: str) -> set[str]:
        verdicts = judge(EXERCISES[number - 1], Case(lab, Answers({**answers, **changes}), records))
        return {verdict.test for verdict in verdicts if not verdict.passed}

    return act


def module_of(number: int) -> Any:
    return importlib.import_module(f"exercises.checks.{EXERCISES[number - 1].module.stem}")


def test_a_check_runs_in_a_process_of_its_own() -> None:
    """As `make check` runs it: testinfra has been imported when pytest begins."""
    program = (
        "from exercises.catalogue import EXERCISES; from exercises.judge import Case, judge; "
        "from exercises.sheet import Answers; print(len(judge(EXERCISES[9], Case(None, Answers({}), None))))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{len(EXERCISES[9].points())}\n", "")


def test_caches(misses: Misses, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone was loaded after 5, 30 and 80 s, and frontend1 got its last request 16 s after the second time."""
    loads = "".join(json.dumps({"__REALTIME_TIMESTAMP": f"{BEGUN + at:.0f}000000"}) + "\n" for at in (5, 30, 80))
    monkeypatch.setattr(Box, "root", lambda *_: SimpleNamespace(stdout=loads))
    agent = "revezamento-watch"
    requests = [request(at, agent=agent) for at in range(20, 47)]
    requests += [request(at, agent=agent, frontend="frontend2") for at in range(47, 60)]
    records = Records(lab, requests)
    answers = {
        "removed_address": "172.20.0.20",
        "dig_addresses": "2",
        "old_seconds": "15 s",
        "longest_seconds": "30",
        "browser_seconds": "60",
    }
    assert misses(2, answers, records) == set()
    assert misses(2, answers, records, old_seconds="0") == {"test_old_address_lived_on"}
    assert "test_removed_address" in misses(2, answers, records, removed_address="172.20.0.21")


def test_packets(misses: Misses, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tcpdump counts is replaced; what is in the files is not."""
    check = module_of(3)
    monkeypatch.setattr(check, "install", lambda _: None)
    monkeypatch.setattr(check, "FOLDER", tmp_path)
    for name, content in {
        "login": "a=ana&senha=senha-da-ana",
        "backend-login": "x",
        "backend-profile": "EVALSHA",
    }.items():
        (tmp_path / f"{name}.pcap").write_text(content, encoding="utf-8")
    mysql = {"login": 0, "backend-login": 4, "backend-profile": 0}

    def count(self: Any, filters: Mapping[str, str]) -> dict[str, int]:
        return {name: mysql[self.path.stem] if name == "MySQL" else 3 for name in filters}

    monkeypatch.setattr(check.Capture, "count", count)
    answers = {
        "frontend_address": "172.20.0.21",
        "password_line": "a=ana&senha=senha-da-ana",
        "session_command": "evalsha",
        "mysql_packets": "0",
    }
    records = Records(lab)
    assert misses(3, answers, records) == set()
    assert misses(3, answers, records, password_line="a=ana&senha=senha-do-bruno") == {"test_password"}
    mysql["backend-profile"] = 2
    assert misses(3, answers, records) == {"test_no_mysql_after_the_login"}


def test_proxy(misses: Misses, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the nine pairs four times, and one request to the profile."""
    monkeypatch.setattr(module_of(4), "get", lambda *_: SimpleNamespace(status=200, backend=""))
    requests = [
        request(at, frontend=f"frontend{at % 3 + 1}", backends=(f"backend{at // 3 % 3 + 1}",), agent="proxy")
        for at in range(36)
    ]
    requests.append(request(50, frontend="frontend2", backends=("backend3",), status=401))
    records = Records(lab, requests, lines={"backend3": {"client": "172.20.0.100"}})
    answers = {
        "pairs": "9",
        "request_id": f"{50:032X}",
        "frontend": "frontend2",
        "backend": "Backend3",
        "upstream": "172.20.0.12:8000",
        "logged_client": "172.20.0.100",
        "static_backend": "nenhum",
    }
    assert misses(4, answers, records) == set()
    assert misses(4, answers, records, backend="backend1", logged_client="172.20.0.21") == {
        "test_the_backend_logged_it",
        "test_logged_client",
    }
    assert misses(4, answers, Records(lab, requests[3:], lines={}), pairs="6") >= {"test_pairs", "test_logged_client"}


def test_sessions(misses: Misses, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has a session of ana, and every frontend answers 401."""
    cookie = "z" * 43
    key = f"sess:{hashlib.sha256(cookie.encode()).hexdigest()}"
    session = json.dumps({"usuario": "ana"})
    monkeypatch.setattr(module_of(5), "status", lambda *_: 401)
    monkeypatch.setattr(Box, "python", lambda _, __, asked: session if asked["key"] == key else "")
    records = Records(lab, lines={"backend1": {"event": "logout", "usuario": "bruno"}})
    answers = {
        "ana_cookie": cookie,
        "ana_key": key,
        "idle_minutes": "30",
        "has_password": "não",
        "bruno_cookie": "y" * 43,
        "bruno_status": "401",
    }
    assert misses(5, answers, records) == set()
    assert misses(5, answers, records, bruno_cookie=cookie) == {"test_the_old_cookie_is_worthless"}
    assert misses(5, answers, Records(lab)) == {"test_bruno_logged_out"}
    newline = f"sess:{hashlib.sha256(f'{cookie}{chr(10)}'.encode()).hexdigest()}"
    assert misses(5, answers, records, ana_key=newline) == {"test_the_key_is_the_hash"}


def test_dead_backend(misses: Misses, lab: Lab) -> None:
    """backend2 was down from 10 s to 45 s; every fifth request was sent on from there."""
    requests = [
        request(at, agent="backend", backends=("backend1",) if at % 5 else ("backend2", "backend1")) for at in range(60)
    ]
    records = Records(lab, requests, {("backend2", "revezamento.socket"): outage(10, 45)})
    answers = {
        "predicted_failed": "20",
        "failed": "0",
        "retried_id": f"{20:032x}",
        "retried_backend": "backend1",
        "skip_seconds": "2 s",
    }
    assert misses(6, answers, records) == set()
    assert misses(6, answers, records, failed="20", retried_backend="backend2") == {"test_failed", "test_who_answered"}
    only_the_service = Records(lab, requests, {("backend2", "revezamento.service"): outage(10, 45)})
    assert misses(6, answers, only_the_service) == {"test_a_backend_was_down", "test_requests_met_the_outage"}


def test_silence(misses: Misses, lab: Lab) -> None:
    """One request waited 5 s; four got a 503 while Redis was frozen; the last one a 200."""
    slow = request(20, agent="silence", seconds=5.01, backends=("backend3", "backend1"))
    refused = [request(30 + at, agent="silence", status=503, seconds=1.2 - at / 10) for at in range(4)]
    records = Records(lab, [request(1, agent="silence"), slow, *refused, request(40, agent="silence")])
    answers = {
        "slow_id": f"{20:032x}",
        "slow_seconds": "5,0",
        "slow_backends": "172.20.0.12:8000, backend1",
        "deadline_seconds": "5",
        "redis_status": "503",
        "redis_seconds": "1.2",
        "still_logged_in": "sim",
    }
    assert misses(7, answers, records) == set()
    assert misses(7, answers, records, slow_id=f"{1:032x}") >= {"test_a_slow_request", "test_slow_backends"}
    assert misses(7, answers, Records(lab, [slow, *refused])) == {"test_nobody_was_logged_out"}


def test_dead_frontend(misses: Misses, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty requests to the two others, and a slow one."""
    refused = "".join(f"200 0.00{at % 10} 172.20.0.2{1 + at % 2}\n" for at in range(30))
    files = {"refused.txt": refused, "silent.txt": "200 3.07 172.20.0.21\n"}
    monkeypatch.setattr(Box, "run", lambda _, __, name, ___: SimpleNamespace(stdout=f"{BEGUN + 5:.0f}\n{files[name]}"))
    records = Records(lab, outages={("frontend1", "nginx.service"): outage(1, 30)})
    answers = {
        "addresses_during": "3",
        "refused_failed": "0",
        "refused_seconds": "0.01",
        "silent_seconds": "3,1 s",
        "who_retries": "client",
    }
    assert misses(8, answers, records) == set()
    assert misses(8, answers, records, addresses_during="2", who_retries="dns") == {
        "test_dns_did_not_notice",
        "test_who_retries",
    }
    files["refused.txt"] = refused.replace("172.20.0.21", "172.20.0.20")
    assert misses(8, answers, records) == {"test_others_took_over"}


def test_sticky(misses: Misses, lab: Lab) -> None:
    """The visitor was on backend1 until it stopped after 20 s, and then on backend2."""
    key = lab.tier("frontends")[0].role("nginx")["nginx_route_keys"][0]
    spread = ["backend1"] * 22 + ["backend2"] * 18 + ["backend3"] * 20
    requests = [request(1, path="/status", agent="visitor", backends=(name,)) for name in spread]
    for start, backend in ((5, "backend1"), (22, "backend2"), (52, "backend2")):
        requests += [
            request(start + at, frontend=f"frontend{at % 3 + 1}", agent="sticky", backends=(backend,))
            for at in range(12)
        ]
    records = Records(lab, requests, {("backend1", "revezamento.socket"): outage(20, 50)})
    answers = {
        "spread": "22 backend1, backend2 18, 20 backend3",
        "backend_before": "backend1",
        "route_before": digest(key, "backend1"),
        "backend_after": "backend2",
        "route_after": digest(key, "backend2"),
        "still_logged_in": "yes",
        "returns_home": "no",
    }
    assert misses(9, answers, records) == set()
    assert misses(9, answers, records, spread="backend1 20 backend2 20 backend3 20") == {"test_spread"}
    assert misses(9, answers, records, spread="even") == {"test_spread"}
    assert misses(9, answers, records, route_after=answers["route_before"]) == {"test_second_cookie"}
    assert misses(9, answers, records, still_logged_in="no", returns_home="yes") == {
        "test_the_session_survived",
        "test_nobody_returns",
    }


def test_dependencies(misses: Misses, lab: Lab) -> None:
    """Redis was away from 10 s to 20 s, and MariaDB from 30 s to 40 s."""

    def four(at: float, profile: int) -> list[Request]:
        return [
            request(at, agent="away", path="/", backends=()),
            request(at, agent="away", path="/status"),
            request(at, agent="away", status=profile),
            request(at, agent="away", path="/login", method="POST", status=503),
        ]

    requests = [*four(15, 503), *four(35, 200), request(50, agent="away")]
    outages = {("redis1", "redis-server.service"): outage(10, 20), ("mysql1", "mariadb.service"): outage(30, 40)}
    records = Records(lab, requests, outages)
    answers = {
        **{"redis_page": "200", "redis_status": "200", "redis_profile": "503", "redis_login": "503"},
        **{"mysql_page": "200", "mysql_status": "200", "mysql_profile": "200", "mysql_login": "503"},
        "same_session": "sim",
    }
    assert misses(10, answers, records) == set()
    assert misses(10, answers, records, redis_profile="401", mysql_profile="503") == {
        "test_redis_away",
        "test_mysql_away",
    }
    assert misses(10, answers, Records(lab, requests[:-1], outages)) == {"test_the_session_is_the_same"}


@pytest.mark.parametrize("lab", ["ha"], indirect=True)
def test_any_machine(misses: Misses, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three machines of three tiers lost their power."""
    check = module_of(11)
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "primary", lambda boxes: boxes[1])
    summary = tmp_path / ".lab" / "drills" / "x" / "summary.json"
    summary.parent.mkdir(parents=True)

    def drill(name: str, begun: float = 3) -> dict[str, Any]:
        phases = {"started": BEGUN + begun}
        return {"name": name, "kind": "x-power", "failed": 0, "lost": 0, "gap_seconds": 1.26, "phases": phases}

    drills = [drill("redis1-power"), drill("mysql1-power"), drill("frontend1-power"), drill("dns1-power", -60)]
    summary.write_text(json.dumps(drills), encoding="utf-8")
    answers = {
        "machines": "redis1, mysql1, frontend1",
        "failed": "0",
        "longest_gap": "1.3 s",
        "primary": "redis2",
        "logged_out": "0",
    }
    records = cast(Evidence, Records(lab))
    assert misses(11, answers, records) == set()
    assert misses(11, answers, records, primary="redis1", failed="3") == {"test_primary", "test_failed"}
    summary.write_text(json.dumps(drills[:2]), encoding="utf-8")
    assert misses(11, answers, records, machines="redis1 mysql1") == {"test_three_tiers"}
