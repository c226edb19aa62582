"""A user's browser on the client machine: curl with that machine's resolver and a cookie jar.

    ana = Browser(client, lab.site_url, "sessao")
    ana.login("ana", "senha-da-ana")
    ana.get("/perfil").json["visitas"]
    ana.get("/perfil", frontend=lab["frontend2"])      # bypass DNS and use this frontend

A batch of requests is a single remote command, so a hundred requests do not take a hundred SSH round trips.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lab.machines import Box, Lab
from lab.waiting import SLOW, wait_until

FIELD, ANSWER = "\x1d", "\x1e"
"""Separators within and after an answer. They occur in no page or JSON document."""

USER_DEADLINE_SECONDS = 15 * SLOW
LOAD_DEADLINE_SECONDS = 90 * SLOW
"""The background load stops after this time if the test that started it dies."""

FOLDER = f"/tmp/browsers-{secrets.token_hex(8)}"
"""Folder on the client that holds the cookie jars of this run."""

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@dataclass(frozen=True)
class Answer:
    """A response. If none arrived, `status` is 0 and `error` gives the reason."""

    status: int
    headers: dict[str, list[str]] = field(repr=False)
    body: str
    seconds: float
    address: str
    error: str

    @classmethod
    def parse(cls, text: str) -> Answer:
        response, metrics_json = text.split(FIELD)
        metrics = json.loads(metrics_json)
        headers, body = cls._split_headers(response)
        return cls(
            status=int(metrics["response_code"]),
            headers=headers,
            body=body,
            seconds=float(metrics["time_total"]),
            address=str(metrics["remote_ip"]),
            error=str(metrics["errormsg"] or ""),
        )

    @staticmethod
    def _split_headers(response: str) -> tuple[dict[str, list[str]], str]:
        """Split a response into headers and body, skipping a leading `100 Continue`."""
        head, _, body = response.partition("\r\n\r\n")
        if re.match(r"HTTP/\S+ 1", head):
            return Answer._split_headers(body)
        headers: dict[str, list[str]] = {}
        for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:]):
            headers.setdefault(name.lower(), []).append(value.strip())
        return headers, body

    def header(self, name: str) -> str:
        """The header's value, or '' if it is missing."""
        return ", ".join(self.headers.get(name.lower(), []))

    def set_cookie(self, name: str) -> str:
        """The `Set-Cookie` value for this cookie, attributes included, or '' if there is none."""
        return next((cookie for cookie in self.headers.get("set-cookie", []) if cookie.startswith(f"{name}=")), "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def frontend(self) -> str:
        return self.header("X-Frontend")

    @property
    def backend(self) -> str:
        return self.header("X-Backend")

    @property
    def request_id(self) -> str:
        return self.header("X-Request-Id")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `body` is sent unchanged, `cookie` replaces the jar, and `options` are extra curl options."""

    path: str
    method: str = "GET"
    frontend: Box | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    cookie: str | None = None
    options: Sequence[str] = ()


class Browser:
    """One user with one cookie jar. Redirects are not followed."""

    def __init__(self, client: Box, site_url: str, cookie_name: str) -> None:
        self.client = client
        self.site_url = site_url
        site = urlsplit(site_url)
        self._host_port = f"{site.hostname}:{site.port or {'http': 80, 'https': 443}[site.scheme]}"
        self.cookie_name = cookie_name
        self._folder = f"{FOLDER}/{secrets.token_hex(8)}"

    @staticmethod
    def close_all(client: Box) -> None:
        """Delete the files that this run's browsers created on the client."""
        client.run(f"rm -rf {FOLDER}")

    def send(self, requests: Sequence[Request]) -> list[Answer]:
        """Send requests one after another, each on a new connection."""
        return self._answers("\n".join(self._curl(request) for request in requests))

    def get(self, path: str, **details: Any) -> Answer:
        return self.send([Request(path=path, **details)])[0]

    def post(self, path: str, **details: Any) -> Answer:
        return self.send([Request(path=path, method="POST", **details)])[0]

    def get_repeatedly(self, path: str, times: int, **details: Any) -> list[Answer]:
        """Repeat one request, resolving the name each time."""
        curl = self._curl(Request(path=path, **details))
        return self._answers(f"for _ in $(seq {times}); do {curl}; done")

    def get_concurrently(self, path: str, times: int, *, concurrency: int = 8, **details: Any) -> list[Answer]:
        """Repeat one request concurrently. The answers are in no particular order."""
        curl = self._curl(Request(path=path, cookie=self.kept_cookie, **details))
        each = f"{curl} >{self._folder}/concurrent.$1"
        return self._answers(
            f"seq {times} | xargs -P {concurrency} -I@ sh -c {shlex.quote(each)} sh @; "
            f"cat {self._folder}/concurrent.*; rm -f {self._folder}/concurrent.*"
        )

    def get_when_served(self, path: str, condition: str) -> Answer:
        """Retry until the status is 200, and return that answer. `condition` describes it in the error message."""

        def served() -> Answer | None:
            answer = self.get(path)
            return answer if answer.status == 200 else None

        return wait_until(served, condition)

    def digests(self, paths: Sequence[str], frontend: Box) -> dict[str, str]:
        """SHA-256 of each path's content as the frontend sends it. Safe for binary files."""
        resolve = f"--resolve {self._host_port}:{frontend.address}"
        each = " ".join(f"curl --silent {resolve} {self.site_url}{shlex.quote(path)} | sha256sum;" for path in paths)
        return dict(zip(paths, self.client.output("sh -c %s", each).split()[::2], strict=True))

    def login_request(self, user: str, password: str, **details: Any) -> Request:
        headers = {"Content-Type": "application/json", **details.pop("headers", {})}
        body = json.dumps({"usuario": user, "senha": password})
        return Request(path="/login", method="POST", body=body, headers=headers, **details)

    def login(self, user: str, password: str, **details: Any) -> Answer:
        return self.send([self.login_request(user, password, **details)])[0]

    def logout(self, **details: Any) -> Answer:
        return self.post("/logout", **details)

    @property
    def cookie(self) -> str:
        """The session cookie in the jar, or '' if there is none."""
        return self.jar(self.cookie_name)

    def jar(self, name: str) -> str:
        """The cookie with this name in the jar, or '' if there is none."""
        lines = self.client.run(f"cat {self._folder}/jar").stdout.splitlines()
        fields = (line.removeprefix("#HttpOnly_").split("\t") for line in lines)
        return next((entry[6] for entry in fields if len(entry) == 7 and entry[5] == name), "")

    @property
    def kept_cookie(self) -> str:
        """The session cookie as a `Cookie` header. Concurrent requests use it because they cannot share a jar."""
        return f"{self.cookie_name}={self.cookie}"

    @contextmanager
    def background_load(self, path: str = "/perfil", *, loops: int = 2, at_least: int = 10) -> Iterator[list[Answer]]:
        """Send requests continuously while the body runs. The list is filled when the body ends.

        At least `at_least` answers arrive before the body starts, and as many again after it ends.
        """
        answers: list[Answer] = []
        curl = self._curl(Request(path=path, cookie=self.kept_cookie))
        stop, log = f"{self._folder}/stop", f"{self._folder}/load"
        loop = f"while [ ! -e {stop} ] && [ $(date +%s) -lt $end ]; do {curl}; done >{log}.$i"
        script = (
            f"rm -f {stop} {log}.*; end=$(( $(date +%s) + {LOAD_DEADLINE_SECONDS} )); "
            f"for i in $(seq {loops}); do ({loop}) & done; wait; cat {log}.*"
        )

        def count() -> int:
            return int(self.client.output(f"cat {log}.* | tr -cd '\\036' | wc -c"))

        with ThreadPoolExecutor(1) as pool:
            load: Future[list[Answer]] = pool.submit(self._answers, script)
            try:
                wait_until(lambda: count() >= at_least, f"{at_least} background requests are answered")
                yield answers
                enough = count() + at_least
                wait_until(lambda: count() >= enough, f"{at_least} more background requests are answered")
            finally:
                self.client.run(f"touch {stop}")
                answers += load.result()

    def _curl(self, request: Request) -> str:
        # Not %{header_json}: curl 7.88 drops the headers between two headers with the same name.
        write_out = f"{FIELD}%{{json}}{ANSWER}"
        command = ["curl", "--silent", "--max-time", str(USER_DEADLINE_SECONDS), "--write-out", write_out, "--include"]
        command += ["--head"] if request.method == "HEAD" else ["--request", request.method]
        if request.frontend:
            command += ["--resolve", f"{self._host_port}:{request.frontend.address}"]
        for name, value in request.headers.items():
            command += ["--header", f"{name}: {value}" if value else f"{name};"]
        if request.cookie is None:
            command += ["--cookie", f"{self._folder}/jar", "--cookie-jar", f"{self._folder}/jar"]
        elif request.cookie:
            command += ["--header", f"Cookie: {request.cookie}"]
        if request.body is not None:
            command += ["--data-binary", request.body]
        return shlex.join([*command, *request.options, f"{self.site_url}{request.path}"])

    def _answers(self, script: str) -> list[Answer]:
        # A failed request is an answer with status 0, not a failed command.
        printed = self.client.run("sh -c %s", f"mkdir -p {self._folder}\n{script}").stdout
        return [Answer.parse(answer) for answer in printed.split(ANSWER)[:-1]]


def summary(answers: Sequence[Answer]) -> str:
    """Count the answers by status, frontend, backend and error, for assertion messages."""
    kinds: dict[str, int] = {}
    for answer in answers:
        kind = f"{answer.status} from {answer.frontend or answer.address} via {answer.backend or '-'} {answer.error}"
        kinds[kind] = kinds.get(kind, 0) + 1
    return "\n".join(f"{number:4d} x {kind}" for kind, number in sorted(kinds.items()))


def logged_in(browser: Browser, user: dict[str, str]) -> Browser:
    """Log in as one of the inventory's users, and return the browser."""
    answer = browser.login(user["usuario"], user["senha"])
    assert answer.status == 200, f"login as {user['usuario']}: {answer}"
    return browser


def serves(browser: Browser, lab: Lab) -> bool:
    """Whether every frontend reaches every backend that is not draining, and each of those Redis and MySQL."""
    draining = lab.tier("frontends")[0].role("nginx")["nginx_draining"]
    backends = [name for name in lab.names("backends") if name not in draining]
    # without cookies, so that each request counts as a new visitor
    requests = [
        Request(path="/status", frontend=each, cookie="") for each in lab.tier("frontends") for _ in 2 * backends
    ]
    healthy = {
        (answer.frontend, answer.backend)
        for answer in browser.send(requests)
        if answer.status == 200 and answer.json["redis"]["ok"] and answer.json["mysql"]["ok"]
    }
    return healthy == {(frontend, backend) for frontend in lab.names("frontends") for backend in backends}
