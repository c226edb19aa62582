"""The app as in production: gunicorn with two workers on a socket that systemd would hold."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import redis

from revezamento.settings import Settings
from tests.integration.conftest import SENHAS, wait_until

# As systemd does it: the listening socket is descriptor 3, announced in the environment.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
GUNICORN = ["-m", "gunicorn", "-c", "python:revezamento.gunicorn_conf", "revezamento:create_app()"]
REQUEST_ID = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    """A response; `cookie` is its Set-Cookie header, empty if there is none."""

    status: int
    cookie: str
    text: str


class Backend:
    """A listening socket, and gunicorn behind it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ACTIVATE, str(self._socket.fileno()), *GUNICORN],
                env=self._environment,
                pass_fds=[self._socket.fileno()],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: "Booting worker" in self._log.read_text() or self._process.poll() is not None)
        assert self.ask("GET", "/livez").status == 200

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def close(self) -> None:
        self.stop()
        self._socket.close()

    def ask(self, method: str, path: str, sid: str = "", body: Any = None, **named: str) -> Answer:
        host, port = self._socket.getsockname()
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        if sid:
            headers["Cookie"] = f"sessao={sid}"
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        with closing(HTTPConnection(host, port, timeout=20)) as connection:
            with suppress(BrokenPipeError):  # it may refuse a body before it has read all of it
                connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers.get("Set-Cookie", ""), response.read().decode())

    def log_in(self, usuario: str = "ana") -> str:
        answer = self.ask("POST", "/login", body={"usuario": usuario, "senha": SENHAS[usuario]})
        assert answer.status == 200
        return answer.cookie.split(";")[0].partition("=")[2]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture(params=["gthread", "leader"])
def backend(
    request: pytest.FixtureRequest,
    settings: Callable[..., Settings],
    redis_server: tuple[Any, Any],
    mysql_server: tuple[Any, Any],
    tmp_path: Path,
) -> Iterator[Backend]:
    current = settings(redis=(redis_server[1],), mysql=(mysql_server[1],))
    credentials, metrics = tmp_path / "credentials", tmp_path / "metrics"
    for directory in (credentials, metrics):
        directory.mkdir()
    (credentials / "redis_password").write_text(current.redis_password)
    (credentials / "mysql_password").write_text(current.mysql_password)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REVEZAMENTO_")}
    environment |= {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "SERVER_NAME": current.server_name,
        "REVEZAMENTO_NODE": current.node,
        "REVEZAMENTO_REDIS": "{}:{}".format(*current.redis[0]),
        "REVEZAMENTO_REDIS_USER": current.redis_user,
        "REVEZAMENTO_MYSQL": "{}:{}".format(*current.mysql[0]),
        "REVEZAMENTO_MYSQL_USER": current.mysql_user,
        "REVEZAMENTO_MYSQL_DATABASE": current.mysql_database,
        "REVEZAMENTO_METRICS_DIR": str(metrics),
        "REVEZAMENTO_TRUSTED_PROXIES": "127.0.0.1",
        "REVEZAMENTO_WORKER": request.param,
    }
    running = Backend(environment, tmp_path / "log")
    try:
        running.start()
        yield running
    finally:
        running.close()


def test_visits_have_no_gap_and_no_duplicate_under_load(backend: Backend) -> None:
    """With two workers and eight threads on one session, each visit counts once."""
    sid = backend.log_in()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: backend.ask("GET", "/perfil", sid), range(200)))
    visits = [json.loads(answer.text)["visitas"] for answer in answers]
    assert sorted(visits) == list(range(1, 201))


def test_logout_is_final_under_load(backend: Backend, store: redis.Redis) -> None:
    """Requests are in flight in both workers when the session ends; none of them brings it back."""
    for _ in range(5):
        sid = backend.log_in()
        is_over = threading.Event()
        too_late: list[int] = []

        def hammer(sid: str = sid, is_over: threading.Event = is_over, too_late: list[int] = too_late) -> None:
            status = 200
            while status == 200:
                was_over = is_over.is_set()
                status = backend.ask("GET", "/perfil", sid).status
                if was_over:
                    too_late.append(status)

        threads = [threading.Thread(target=hammer) for _ in range(6)]
        for thread in threads:
            thread.start()
        wait_until(lambda: bool(store.keys("sess:*:visits")))
        assert backend.ask("POST", "/logout", sid).status == 204
        is_over.set()
        for thread in threads:
            thread.join(20)
        assert set(too_late) <= {401}
        assert store.keys("sess:*") == store.keys("user:*") == []


def test_thirty_logins_at_once_all_succeed(backend: Backend) -> None:
    """A class logs in at the same time; only failed logins count towards the limit."""
    with ThreadPoolExecutor(30) as pool:
        sids = list(pool.map(lambda turn: backend.log_in(("ana", "bruno")[turn % 2]), range(30)))
    assert len(set(sids)) == 30


def test_a_restart_fails_no_request(backend: Backend) -> None:
    """The socket outlives the process, so requests wait a moment instead of being refused."""
    sid = backend.log_in()
    is_over = threading.Event()
    codes: list[int] = []

    def browse() -> None:
        while not is_over.is_set():
            codes.append(backend.ask("GET", "/perfil", sid).status)

    browsing = threading.Thread(target=browse)
    browsing.start()
    wait_until(lambda: len(codes) > 10)
    backend.stop()
    backend.start()
    before = len(codes)
    wait_until(lambda: len(codes) > before + 10)
    is_over.set()
    browsing.join(20)
    assert set(codes) == {200}


def test_everything_it_writes_is_json_and_names_the_request(backend: Backend) -> None:
    """The journal has one format, including gunicorn's own lines, and can be searched by nginx's request id."""
    backend.ask("GET", "/perfil", X_Request_Id=REQUEST_ID, X_Forwarded_For="198.51.100.7")
    wait_until(lambda: any(line.get("request_id") == REQUEST_ID for line in backend.lines()))
    (line,) = [line for line in backend.lines() if line.get("request_id") == REQUEST_ID]
    assert (line["path"], line["status"], line["backend"]) == ("/perfil", 401, "backend7")
    assert line["client"] == "198.51.100.7"
    assert any("Starting gunicorn" in line["event"] for line in backend.lines())


def test_metrics_add_up_over_the_workers(backend: Backend) -> None:
    """The metrics of both workers appear, whichever of them answers."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: backend.ask("GET", "/perfil"), range(40)))
    text = backend.ask("GET", "/metrics").text
    assert 'revezamento_requests_total{method="GET",route="/perfil",status="401"} 40.0' in text


def test_a_large_body_without_a_length_is_refused(backend: Backend) -> None:
    """A chunked body hides its size; the app reads no more than the limit."""
    chunks = (b"x" * 4096 for _ in range(64))
    answer = backend.ask("POST", "/login", body=chunks, Content_Type="application/json")
    assert answer.status in (400, 413)
