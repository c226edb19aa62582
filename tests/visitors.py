"""Sends many requests from one machine, in one Python process. Each has its own cookie, or none.

answers = visits(lambda program, argument: client.python(program, argument), [Visit("172.20.0.20")] * 3000, site)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

COOKIE = "route"

ASK = r"""
import http.client, json, sys

argument, links, answers = json.load(sys.stdin), {}, []
for address, cookie, path in argument["visits"]:
    connect = http.client.HTTPSConnection if argument["https"] else http.client.HTTPConnection
    link = links.setdefault(address, connect(address, argument["port"], timeout=15))
    link.request("GET", path, headers={"Host": argument["site"]} | ({"Cookie": cookie} if cookie else {}))
    answer = link.getresponse()
    answer.read()
    headers = answer.headers
    answers.append([answer.status, headers["X-Frontend"], headers["X-Backend"], headers.get_all("Set-Cookie") or []])
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Visit:
    """A request to one frontend. `route` is the value of the cookie, '' for none."""

    frontend: str
    route: str = ""
    path: str = "/perfil"


@dataclass(frozen=True)
class Answer:
    """Which machines answered. `set_cookie` is the whole header, '' if there is none."""

    status: int
    frontend: str
    backend: str
    set_cookie: str

    @property
    def route(self) -> str:
        """The new value of the cookie; '' if it is not set."""
        return self.set_cookie.partition(";")[0].removeprefix(f"{COOKIE}=")


def digest(key: str, backend: str) -> str:
    """The value of the cookie for a backend."""
    return hashlib.sha256(f"{key}:{backend}".encode()).hexdigest()[:16]


def visits(
    run: Callable[[str, Any], Any], requests: Sequence[Visit], site: str, port: int, *, https: bool = False
) -> list[Answer]:
    """Send the requests one after the other, over one persistent connection to each frontend."""
    rows = [[visit.frontend, f"{COOKIE}={visit.route}" if visit.route else "", visit.path] for visit in requests]
    answers = run(ASK, {"site": site, "port": port, "https": https, "visits": rows})
    return [
        Answer(status, frontend or "", backend or "", next((c for c in cookies if c.startswith(f"{COOKIE}=")), ""))
        for status, frontend, backend, cookies in answers
    ]


def shares(answers: Sequence[Answer]) -> dict[str, float]:
    """The percentage of requests that each backend answered."""
    return {name: 100 * number / len(answers) for name, number in Counter(a.backend for a in answers).items()}
