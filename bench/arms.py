"""What is measured: each arm is one kind of request on one way, to one daemon with some workers, on some machines."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import NamedTuple

from bench.stage import Stage
from bench.units import PEERS, WORKERS, port_of, proxy_port
from lab.machines import Box, Lab

CONNECTIONS = 30

LOGINS_AT_ONCE = 8
"""As many as two workers of the default kind have threads."""

COUNTS = (1, 2, 3, 4)
"""Numbers of workers."""

NAMES = {
    "gthread": "ours, gthread",
    "leader": "ours, leader",
    "express": "Express, plain",
    "express-duties": "Express, with our duties",
    "bare": "an empty application, same Gunicorn",
}


class Process(NamedTuple):
    """A unit whose processor time and memory count, under a name that several may share."""

    name: str
    box: Box
    unit: str


@dataclass(frozen=True)
class Arm:
    """One kind of request.

    Attributes:
        name: shown in the report, unique.
        kind, workers, backends: what answers (see NAMES), with how many workers, on how many machines; by default the
            lab's own daemons, as they are.
        generator: the machine that sends the requests.
        url: as the generator reaches it.
        counted: the processes whose processor time and memory count.
        session: whose session cookie is sent: that of "ours", the "peer", or "" for none.
        body: JSON to post, if any; by default it is GET.
        logins: JSON of a login, if users log in all the time while this is measured.
    """

    name: str
    generator: Box
    url: str
    counted: Sequence[Process]
    kind: str = ""
    workers: int = 0
    backends: Sequence[Box] = ()
    session: str = ""
    body: str = field(default="", repr=False)
    logins: str = field(default="", repr=False)

    @property
    def unit(self) -> str:
        """The unit of the bench that answers, if any."""
        return f"bench-{self.kind}-{self.workers}.service" if self.kind else ""


def name_of(path: str, kind: str, workers: int, backends: int = 0) -> str:
    """The name of an arm: directly on one backend, or through nginx on some."""
    way = f"nginx, {backends} backend{'' if backends == 1 else 's'}" if backends else "direct"
    return f"{path}: {NAMES[kind]}, {workers} worker{'' if workers == 1 else 's'}, {way}"


def arms(stage: Stage, credentials: Mapping[str, str]) -> Iterator[Arm]:
    """Yield the arms; those that need the same daemon follow each other."""
    lab, body = stage.lab, json.dumps(credentials)
    frontend, client, backends = lab.tier("frontends")[0], lab.tier("clients")[0], lab.tier("backends")
    role = backends[0].role("app")
    configured, usual = str(role["app_worker"]), int(role["app_workers"])

    def direct(path: str, kind: str, workers: int, **options: str) -> Arm:
        url = f"http://{backends[0].address}:{port_of(backends[0])}{path}"
        unit = f"bench-{kind}-{workers}.service"
        counted = [Process("app", backends[0], unit), *_stores(lab)]
        title = name_of(path, kind, workers) + (f", during {LOGINS_AT_ONCE} logins" if "logins" in options else "")
        return Arm(title, frontend, url, counted, kind, workers, backends[:1], **options)

    def proxied(path: str, kind: str, number: int, **options: str) -> Arm:
        url = f"http://{frontend.address}:{proxy_port(frontend, number)}{path}"
        unit = f"bench-{kind}-{usual}.service"
        nginx = Process("nginx", frontend, f"bench-nginx-{number}.service")
        counted = [nginx, *(Process("app", box, unit) for box in backends[:number]), *_stores(lab)]
        title = name_of(path, kind, usual, number)
        return Arm(title, client, url, counted, kind, usual, backends[:number], **options)

    kinds = dict.fromkeys(WORKERS, "ours") | (dict.fromkeys(PEERS, "peer") if stage.has_peer else {})
    for workers in sorted({*COUNTS, usual}):
        for kind, session in kinds.items():
            if kind == "express" and workers != usual:
                continue
            yield direct("/perfil", kind, workers, session=session)
            if workers == usual and kind != "express":
                yield direct("/perfil", kind, workers, session=session, logins=body)
            if workers != usual or kind not in (configured, "express-duties"):
                continue
            yield direct("/status", kind, workers)
            yield direct("/login", kind, workers, body=body)
            for number in range(1, len(backends) + 1):
                yield proxied("/perfil", kind, number, session=session)
            yield proxied("/login", kind, len(backends), body=body)
    yield direct("/", "bare", usual)
    yield direct("/redis", "bare", usual)
    nginx = [Process("nginx", frontend, "bench-nginx-1.service")]
    for path, title in (("/", "static page, nginx"), ("/bench", "return 200, nginx")):
        yield Arm(title, client, f"http://{frontend.address}:{proxy_port(frontend, 1)}{path}", nginx)
    everything = [
        *(Process("nginx", box, box.service) for box in lab.tier("frontends")),
        *(Process("app", box, box.service) for box in backends),
        *_stores(lab),
    ]
    for path in ("/perfil", "/status", "/"):
        session = "ours" if path == "/perfil" else ""
        yield Arm(f"{path} on the site, as it is", client, lab.site_url + path, everything, session=session)
    yield Arm("/login on the site, as it is", client, lab.site_url + "/login", everything, body=body)


def _stores(lab: Lab) -> list[Process]:
    return [Process(tier, box, box.service) for tier in ("redis", "mysql") for box in lab.tier(tier)]


def log_in(generator: Box, url: str, credentials: Mapping[str, str]) -> str:
    """Log in at a URL without a path; return the Cookie header of the session."""
    command = "curl --silent --insecure --fail --output /dev/null --dump-header - --json %s %s/login"
    for line in generator.output(command, json.dumps(credentials), url).splitlines():
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie":
            return "; ".join(f"{key}={morsel.value}" for key, morsel in SimpleCookie(value).items())
    raise AssertionError(f"{url}/login set no cookie")


def logins(arm: Arm) -> Arm:
    """The logins during an arm, which are not measured themselves."""
    return replace(arm, url=arm.url.removesuffix("/perfil") + "/login", body=arm.logins)


def command(arm: Arm, seconds: int, cookie: str, script: str, connections: int = CONNECTIONS) -> str:
    """The command that the generator runs."""
    words = ["wrk", "--threads=2", f"--connections={connections}", f"--duration={seconds}s", f"--script={script}"]
    words += [f"--header=Cookie: {cookie}"] if cookie else []
    return shlex.join([*words, arm.url, *(["--", arm.body] if arm.body else [])])
