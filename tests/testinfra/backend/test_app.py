"""Each backend, requested directly: its name, release, health and metrics."""

from __future__ import annotations

import json
from typing import Any

from lab.machines import Box, Lab
from lab.waiting import SLOW


def request(frontend: Box, backend: Box, path: str) -> tuple[int, str]:
    """Send a request from a frontend directly to the backend. Return status and body."""
    url = f"http://{backend.address}:{backend.vars['app_port']}{path}"
    curl = f"curl --silent --max-time {5 * SLOW} --write-out '\\n%{{http_code}}' {url}"
    body, _, status = frontend.output(curl).rpartition("\n")
    return int(status), body


def test_status_names_the_server(backend: Box, lab: Lab) -> None:
    """`servidor` shows users which backend answered."""
    status, body = request(lab.tier("frontends")[0], backend, "/status")
    assert (status, json.loads(body)["servidor"]) == (200, backend.vars["app_server_name"])


def test_server_name_is_set_in_the_environment(backend: Box) -> None:
    """SERVER_NAME is what distinguishes the backends in a demonstration."""
    environment = backend.root_output(f"cat /proc/{backend.main_pid(backend.service)}/environ").split("\0")
    assert f"SERVER_NAME={backend.vars['app_server_name']}" in environment


def test_server_names_are_unique(lab: Lab) -> None:
    """Backends with the same name would look like a single server."""
    names = [box.vars["app_server_name"] for box in lab.tier("backends")]
    assert len(set(names)) == len(names)


def test_livez_and_readyz_return_200(backend: Box, lab: Lab) -> None:
    """Deployments wait for these endpoints."""
    frontend = lab.tier("frontends")[0]
    assert request(frontend, backend, "/livez")[0] == 200
    assert request(frontend, backend, "/readyz")[0] == 200


def test_backend_reaches_redis_and_mysql(backend: Box, lab: Lab) -> None:
    """Each backend has its own connections and credentials."""
    status = json.loads(request(lab.tier("frontends")[0], backend, "/status")[1])
    assert (status["redis"]["ok"], status["mysql"]["ok"]) == (True, True)


def test_status_names_the_machines_that_serve(backend: Box, lab: Lab) -> None:
    """By their positions in the inventory, counted from 1. A single machine needs no name."""
    status = json.loads(request(lab.tier("frontends")[0], backend, "/status")[1])
    redis, mysql = (status[name] for name in ("redis", "mysql"))
    alone = {"ok", "ms"}
    if len(lab.tier("redis")) > 1:
        assert sorted([redis["primary"], *redis["replicas"]]) == list(range(1, len(lab.tier("redis")) + 1))
    else:
        assert set(redis) == alone
    if len(lab.tier("mysql")) > 1:
        assert mysql["members"] == list(range(1, len(lab.tier("mysql")) + 1))
        assert mysql["used"] in mysql["members"]
    else:
        assert set(mysql) == alone


def test_metrics_count_requests_of_all_workers(backend: Box, lab: Lab) -> None:
    """Any worker may answer /metrics, so it must report the sum for all of them."""
    frontend = lab.tier("frontends")[0]
    metric = 'revezamento_requests_total{method="GET",route="/livez",status="200"}'

    def count() -> float:
        lines = request(frontend, backend, "/metrics")[1].splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(metric)), 0)

    before = count()
    for _ in range(6):
        request(frontend, backend, "/livez")
    assert count() == before + 6


def test_backends_run_the_same_release(lab: Lab) -> None:
    """With mixed releases, the same request gets different answers."""
    current = f"readlink -f {lab.tier('backends')[0].role('app')['__app_root']}/current"
    releases = lab.everywhere(lambda box: box.output(current), lab.tier("backends"))
    assert len(set(releases.values())) == 1, releases


def test_worker_count_matches_the_inventory(backend: Box, app: Any) -> None:
    """A missing worker wastes capacity."""
    children = backend.output(f"pgrep --parent {backend.main_pid(backend.service)} | wc -l")
    assert int(children) == app["app_workers"]
