"""The worker serves all clients as gthread does: each test runs with both, so that a difference shows."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.unit.worker_app import BIG_BYTES

THREADS = 4
GRACEFUL_SECONDS = 10
SLOW_SECONDS = 3
"""Prompt answers arrive before slow ones, on a busy machine too."""
PATIENCE_SECONDS = 15
"""A request that is held up by another one gets no answer in this time."""
KINDS = {"gthread": "gthread", "leader": "revezamento.leader.LeaderWorker"}
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Server:
    """Gunicorn with one worker on a socket that outlives it, as systemd's."""

    def __init__(self, kind: str, log: Path, *options: str) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address: tuple[str, int] = self._socket.getsockname()
        self.log = log
        self._command = [
            *(sys.executable, "-m", "gunicorn", f"--bind=fd://{self._socket.fileno()}", "--no-control-socket"),
            *(
                f"--worker-class={KINDS[kind]}",
                f"--threads={THREADS}",
                "--keep-alive=20",
                f"--graceful-timeout={GRACEFUL_SECONDS}",
            ),
            *options,
            "tests.unit.worker_app:app",
        ]
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, pass_fds=[self._socket.fileno()], stdout=log, stderr=log, cwd=Path(__file__).parents[2]
            )

    def stop(self) -> float:
        """Stop gracefully; return the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - started

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.stop()
        self._socket.close()

    def connect(self) -> HTTPConnection:
        connection = HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)
        connection.connect()
        return connection

    def raw(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.address, timeout=PATIENCE_SECONDS)
        client.sendall(data)
        return client

    def get(self, path: str = "/") -> str:
        """Ask on a new connection; return the text."""
        with closing(self.connect()) as connection:
            return ask(connection, path)


def ask(connection: HTTPConnection, path: str = "/", body: bytes | None = None) -> str:
    connection.request("POST" if body else "GET", path, body)
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status == 200, text
    return text


def request(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def read_until(client: socket.socket, is_all: Callable[[bytes], bool]) -> bytes:
    received = b""
    while not is_all(received) and (data := client.recv(65_536)):
        received += data
    return received


Start = Callable[..., Server]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that do not harm it."""
    running = Server(kind, tmp_path_factory.mktemp(kind) / "log")
    running.get()
    yield running
    running.close()


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a server of a test's own."""
    servers: list[Server] = []

    def make(*options: str) -> Server:
        servers.append(Server(kind, tmp_path / "log", *options))
        servers[-1].get()
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_a_connection_serves_many_requests(server: Server) -> None:
    """nginx keeps its connections."""
    with closing(server.connect()) as connection:
        assert [ask(connection) for _ in range(20)] == ["ok"] * 20


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """More than Python's stack is deep: they arrive in one piece, and the poller sees only the first."""
    numbers = [f"/slow?0.{number:04d}" for number in range(9)] + ["/"] * 1500
    with server.raw(b"".join(map(request, numbers))) as client:
        received = read_until(client, lambda data: data.count(b"\r\n\r\nok") == len(numbers))
    assert received.count(b"HTTP/1.1 200 OK") == len(numbers)


@pytest.mark.parametrize("size", [10, 20_000])
def test_a_body_is_read(server: Server, size: int) -> None:
    """In one piece, or in many."""
    with closing(server.connect()) as connection:
        for _ in range(3):
            assert ask(connection, "/echo", b"x" * size) == "x" * size


def test_a_body_that_nobody_reads_is_not_the_next_request(server: Server) -> None:
    """It is dropped, and the connection stays."""
    smuggled = request("/error")
    with closing(server.connect()) as connection:
        for _ in range(3):
            assert ask(connection, "/", smuggled) == "ok"
            assert ask(connection) == "ok"


def test_a_body_that_never_ends_delays_nobody(server: Server) -> None:
    """The connection is closed after a while, or with the client."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with server.raw(head), server.raw(head + b"x" * 1000):
        for _ in range(5):
            assert server.get() == "ok"


def test_connections_without_a_request_delay_nobody(server: Server, kind: str) -> None:
    """There are more of them than threads. A late request is answered as well."""
    if kind == "gthread":
        pytest.skip("it waits 5 s for each of them, in its threads")
    with ExitStack() as stack:
        silent = [stack.enter_context(server.raw()) for _ in range(5 * THREADS)]
        assert server.get() == "ok"
        for client in silent:
            client.sendall(request("/", "Connection: close\r\n"))
            assert read_until(client, lambda _: False).endswith(b"ok")
            client.close()


def test_half_a_request_delays_nobody(server: Server) -> None:
    """The other half may come later."""
    head, tail = request("/", "Connection: close\r\n").split(b"Host")
    with ExitStack() as stack:
        slow = [stack.enter_context(server.raw(head)) for _ in range(THREADS - 1)]
        for _ in range(5):
            assert server.get() == "ok"
        for client in slow:
            client.sendall(b"Host" + tail)
            assert read_until(client, lambda _: False).endswith(b"ok")
            client.close()


def test_a_client_that_does_not_read_delays_nobody(server: Server) -> None:
    """Its response is larger than all buffers."""
    with server.raw(request("/big")) as client:
        for _ in range(5):
            assert server.get() == "ok"
        received = read_until(client, lambda data: len(data) > BIG_BYTES)
    assert len(received) > BIG_BYTES


@pytest.mark.parametrize("what", ["slow", "announced"])
def test_slow_requests_delay_nobody(server: Server, pool: ThreadPoolExecutor, what: str) -> None:
    """As long as a thread is free. Requests on a connection that was there before are answered too."""
    with closing(server.connect()) as connection:
        ask(connection)
        slow = [pool.submit(server.get, f"/{what}?{SLOW_SECONDS}") for _ in range(THREADS - 1)]
        time.sleep(0.1)
        assert [server.get() for _ in range(5)] == [ask(connection) for _ in range(5)] == ["ok"] * 5
        assert not any(future.done() for future in slow)
        assert {future.result() for future in slow} == {"ok"}


@pytest.mark.parametrize("what", ["slow", "announced"])
def test_with_all_threads_busy_requests_wait(server: Server, pool: ThreadPoolExecutor, what: str) -> None:
    """Nothing is lost, and slow requests run side by side."""
    started = time.monotonic()
    answers = [pool.submit(server.get, f"/{what}?0.5") for _ in range(3 * THREADS)]
    answers += [pool.submit(server.get) for _ in range(10)]
    assert {answer.result() for answer in answers} == {"ok"}
    assert time.monotonic() - started < 0.5 * 3 * THREADS  # one after the other


def test_many_clients_at_once_are_all_answered(server: Server, pool: ThreadPoolExecutor) -> None:
    """Short and long requests, new and kept connections."""

    def browse(number: int) -> int:
        with closing(server.connect()) as connection:
            for turn in range(40):
                assert ask(connection, f"/announced?0.0{turn % 3}" if (number + turn) % 8 == 0 else "/") == "ok"
        assert server.get("/slow?0.01") == "ok"
        return number

    assert list(pool.map(browse, range(24))) == list(range(24))


def test_aborted_clients_leave_nothing_behind(start: Start) -> None:
    """Each connection counts until it is closed."""
    server = start("--worker-connections=12")
    for number in range(60):
        path = ("/", "/big", "/slow?0.01", "/error")[number % 4]
        client = server.raw(request(path)[: None if number % 3 else 20])
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    for _ in range(20):
        assert server.get() == "ok"


@pytest.mark.parametrize("path", ["/error", "/broken"])
def test_errors_of_the_app_leave_nothing_behind(start: Start, path: str) -> None:
    """The client gets a 500, or a response that ends early; the connection is closed."""
    server = start("--worker-connections=12")
    for _ in range(40):
        with server.raw(request(path)) as client:
            received = read_until(client, lambda _: False)
        assert received.startswith(b"HTTP/1.1 500") == (path == "/error")
    for _ in range(20):
        assert server.get() == "ok"


def test_at_the_limit_of_connections_clients_wait(start: Start) -> None:
    """They are accepted when others have left."""
    server = start(f"--worker-connections={THREADS + 2}", "--keep-alive=2")
    held = [server.connect() for _ in range(THREADS + 2)]
    assert [ask(connection) for connection in held[:4]] == ["ok"] * 4
    assert server.get() == "ok"
    for connection in held:
        connection.close()


def test_an_idle_connection_is_closed(start: Start) -> None:
    """After the time that is configured."""
    server = start("--keep-alive=1")
    started = time.monotonic()
    with server.raw(request("/")) as client:
        assert read_until(client, lambda _: False).endswith(b"ok")
    assert time.monotonic() - started > 0.9


def test_requests_in_flight_are_answered_before_it_stops(start: Start, pool: ThreadPoolExecutor) -> None:
    """Slow ones, and the next one on a connection that is kept."""
    server = start()
    with closing(server.connect()) as connection:
        ask(connection)
        slow = [pool.submit(server.get, f"/{what}?1") for what in ("slow", "announced", "slow")]
        time.sleep(0.3)
        stopping = pool.submit(server.stop)
        time.sleep(0.3)
        assert ask(connection) == "ok"
        assert {future.result() for future in slow} == {"ok"}
        assert stopping.result() < GRACEFUL_SECONDS
    assert server.process.returncode == 0


def test_an_idle_worker_stops_at_once(start: Start) -> None:
    """A connection without a request may be given up after 2 s."""
    server = start()
    assert server.stop() < GRACEFUL_SECONDS
    server.start()
    server.get()
    with server.raw():
        time.sleep(0.1)
        assert server.stop() < GRACEFUL_SECONDS


def browse_until(server: Server, is_over: Event, failures: list[str]) -> int:
    """Ask on one connection after the other, each for some requests, as a proxy does."""
    answers = 0
    while not is_over.is_set():
        with closing(server.connect()) as connection:
            for number in range(30):
                try:
                    ask(connection, "/announced?0.01" if number % 10 == 9 else "/")
                except Exception as error:  # noqa: BLE001
                    failures.append(f"request {number} of a connection: {error!r}")
                    break
                answers += 1
                if connection.sock is None:  # "Connection: close"
                    break
    return answers


@pytest.mark.parametrize("how", ["restart", "reload", "max_requests"])
def test_no_request_fails_while_workers_change(start: Start, pool: ThreadPoolExecutor, how: str) -> None:
    """Under load; the socket outlives the workers."""
    server = start("--workers=2", *(["--max-requests=150"] if how == "max_requests" else []))
    is_over, failures = Event(), list[str]()
    browsing: list[Future[int]] = [pool.submit(browse_until, server, is_over, failures) for _ in range(6)]
    for _ in range(2):
        time.sleep(0.7)
        if how == "restart":
            server.stop()
            server.start()
        elif how == "reload":
            server.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    is_over.set()
    assert sum(future.result() for future in browsing) > 100
    assert failures == []


@pytest.mark.parametrize("how", ["killed", "told to exit"])
def test_a_worker_that_ends_is_replaced(start: Start, how: str) -> None:
    """By the master, at once."""
    server = start()
    before = server.get("/pid")
    if how == "killed":
        os.kill(int(before), signal.SIGKILL)
    else:
        with suppress(RemoteDisconnected, ConnectionResetError):
            server.get("/exit")
    assert server.get("/pid") != before


def test_a_request_that_never_ends_does_not_stop_the_worker_from_stopping(start: Start) -> None:
    """It is given up after the graceful time."""
    server = start("--graceful-timeout=1")
    Thread(target=suppressed, args=(server,), daemon=True).start()
    time.sleep(0.3)
    assert server.stop() < 6


def suppressed(server: Server) -> None:
    with suppress(RemoteDisconnected, ConnectionError):
        server.get("/slow?8")
