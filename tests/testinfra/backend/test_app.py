"""A backend by itself: who it is, what it tells the machines of the inside."""

from __future__ import annotations

import json
from typing import Any

from lab.machines import Box, Lab
from lab.waiting import SLOW


def ask(frontend: Box, backend: Box, path: str) -> tuple[int, str]:
    """Status and body of a request that a frontend sends to the backend directly."""
    url = f"http://{backend.address}:{backend.vars['app_port']}{path}"
    curl = f"curl --silent --max-time {5 * SLOW} --write-out '\\n%{{http_code}}' {url}"
    body, _, status = frontend.output(curl).rpartition("\n")
    return int(status), body


def test_it_says_which_server_it_is(backend: Box, lab: Lab) -> None:
    """`servidor` in every answer is how a user sees who runs with the baton."""
    status, body = ask(lab.tier("frontends")[0], backend, "/status")
    assert (status, json.loads(body)["servidor"]) == (200, backend.vars["app_server_name"])


def test_its_environment_has_its_name(backend: Box) -> None:
    """SERVER_NAME is the setting that the whole demonstration turns on."""
    environment = backend.root_output(f"cat /proc/{backend.main_pid(backend.service)}/environ").split("\0")
    assert f"SERVER_NAME={backend.vars['app_server_name']}" in environment


def test_no_two_backends_have_one_name(lab: Lab) -> None:
    """Three servers that call themselves Servidor 1 look like one."""
    names = [box.vars["app_server_name"] for box in lab.tier("backends")]
    assert len(set(names)) == len(names)


def test_it_is_alive_and_ready(backend: Box, lab: Lab) -> None:
    """A deploy waits for these."""
    frontend = lab.tier("frontends")[0]
    assert ask(frontend, backend, "/livez")[0] == 200
    assert ask(frontend, backend, "/readyz")[0] == 200


def test_it_reaches_redis_and_mysql(backend: Box, lab: Lab) -> None:
    """Each backend has its own connections, and its own passwords to get wrong."""
    told = json.loads(ask(lab.tier("frontends")[0], backend, "/status")[1])
    assert (told["redis"]["ok"], told["mysql"]["ok"]) == (True, True)


def test_it_counts_what_it_did(backend: Box, lab: Lab) -> None:
    """The metrics of all its workers together, in Prometheus' format."""
    frontend = lab.tier("frontends")[0]
    counted = 'revezamento_requests_total{method="GET",route="/livez",status="200"}'

    def count() -> float:
        lines = ask(frontend, backend, "/metrics")[1].splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(counted)), 0)

    before = count()
    for _ in range(6):
        ask(frontend, backend, "/livez")
    assert count() == before + 6


def test_all_run_the_same_release(lab: Lab) -> None:
    """A backend with an older release answers every third request differently."""
    current = f"readlink -f {lab.tier('backends')[0].role('app')['__app_root']}/current"
    releases = lab.everywhere(lambda box: box.output(current), lab.tier("backends"))
    assert len(set(releases.values())) == 1, releases


def test_it_has_the_workers_that_the_inventory_asks_for(backend: Box, app: Any) -> None:
    """One worker too few is half of the machine unused."""
    children = backend.output(f"pgrep --parent {backend.main_pid(backend.service)} | wc -l")
    assert int(children) == app["app_workers"]
