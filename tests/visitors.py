"""Many visitors, as one Python program that runs where they are: each visit brings its own cookie, or none.

answers = visits(lambda program, told: client.python(program, told), [Visit("172.20.0.20")] * 3000, site)
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

told, links, answers = json.load(sys.stdin), {}, []
for address, cookie, path in told["visits"]:
    link = links.setdefault(address, http.client.HTTPConnection(address, told["port"], timeout=15))
    link.request("GET", path, headers={"Host": told["site"]} | ({"Cookie": cookie} if cookie else {}))
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
    """Who answered; `set_cookie` is the header in full, '' where it is missing."""

    status: int
    frontend: str
    backend: str
    set_cookie: str

    @property
    def route(self) -> str:
        """The value that the cookie is given; '' where it is left alone."""
        return self.set_cookie.partition(";")[0].removeprefix(f"{COOKIE}=")


def digest(key: str, backend: str) -> str:
    """The cookie's value that stands for a backend."""
    return hashlib.sha256(f"{key}:{backend}".encode()).hexdigest()[:16]


def visits(run: Callable[[str, Any], Any], asked: Sequence[Visit], site: str, port: int) -> list[Answer]:
    """Make the visits one after the other, over one kept connection to each frontend."""
    told = [[visit.frontend, f"{COOKIE}={visit.route}" if visit.route else "", visit.path] for visit in asked]
    answers = run(ASK, {"site": site, "port": port, "visits": told})
    return [
        Answer(status, frontend or "", backend or "", next((c for c in cookies if c.startswith(f"{COOKIE}=")), ""))
        for status, frontend, backend, cookies in answers
    ]


def shares(answers: Sequence[Answer]) -> dict[str, float]:
    """How many of a hundred visits each backend answered."""
    return {name: 100 * number / len(answers) for name, number in Counter(a.backend for a in answers).items()}
