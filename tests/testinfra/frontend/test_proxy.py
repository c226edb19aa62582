"""Each frontend proxies dynamic routes to every backend, with the client's real address."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lab.logs import logged_by_backend, logged_by_frontend
from lab.machines import Box, Lab
from tests.testinfra.browser import Browser, Request, summary


@pytest.mark.rotation
def test_frontend_reaches_every_backend(browser: Browser, frontend: Box, lab: Lab) -> None:
    """Each frontend needs its own connection to every backend."""
    answers = browser.get_repeatedly("/perfil", 4 * len(lab.tier("backends")), frontend=frontend)
    assert {answer.status for answer in answers} == {401}, summary(answers)
    assert {answer.backend for answer in answers} == set(lab.names("backends"))


@pytest.mark.rotation
def test_requests_are_balanced_across_backends(browser: Browser, frontend: Box, lab: Lab) -> None:
    """Without sticky sessions, requests go to the backends in turn."""
    backends = lab.names("backends")
    shares = Counter(
        answer.backend for answer in browser.get_repeatedly("/perfil", 10 * len(backends), frontend=frontend)
    )
    assert min(shares[name] for name in backends) >= 5, shares


@pytest.mark.rotation
def test_displayed_server_name_matches_the_backend(browser: Browser, frontend: Box, lab: Lab) -> None:
    """The page shows `servidor`, which must be the machine that answered."""
    answers = browser.get_repeatedly("/status", 2 * len(lab.tier("backends")), frontend=frontend)
    names = {answer.backend: answer.json["servidor"] for answer in answers}
    assert names == {box.name: box.vars["app_server_name"] for box in lab.tier("backends")}


def test_request_id_appears_in_both_logs(browser: Browser, frontend: Box, lab: Lab) -> None:
    """One search finds a request on all machines that handled it."""
    answer = browser.get("/status", frontend=frontend)
    frontend_line = logged_by_frontend(frontend, answer.request_id)
    backend_lines = logged_by_backend(lab[answer.backend], answer.request_id)
    assert (frontend_line["uri"], frontend_line["status"], frontend_line["frontend"]) == ("/status", 200, frontend.name)
    assert frontend_line["upstream"].startswith(f"{lab[answer.backend].address}:")
    assert [(line["path"], line["status"], line["backend"]) for line in backend_lines] == [
        ("/status", 200, answer.backend)
    ]


def test_a_rejected_request_is_logged_with_its_path(browser: Browser, frontend: Box) -> None:
    """The path helps to find broken links. The query string is omitted because it may contain private data."""
    answer = browser.get("/missing?token=private", frontend=frontend)
    line = logged_by_frontend(frontend, answer.request_id)
    assert (line["uri"], line["status"]) == ("/missing", 404)
    assert "private" not in str(line)


def test_a_client_cannot_choose_its_request_id(browser: Browser, frontend: Box) -> None:
    """Otherwise a client could forge log entries for another request's ID."""
    answer = browser.get("/status", frontend=frontend, headers={"X-Request-Id": "forged-by-the-client"})
    assert answer.request_id not in ("", "forged-by-the-client")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"])
def test_a_client_cannot_choose_its_address(browser: Browser, frontend: Box, lab: Lab, name: str) -> None:
    """The failed-login limit and the logs rely on the client's address."""
    forged = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
    answer = browser.get("/perfil", frontend=frontend, headers={name: forged})
    frontend_line = logged_by_frontend(frontend, answer.request_id)
    (backend_line,) = logged_by_backend(lab[answer.backend], answer.request_id)
    assert (frontend_line["client"], backend_line["client"]) == (browser.client.address,) * 2


def test_a_client_cannot_choose_the_host_of_a_redirect(ana: Browser, frontend: Box) -> None:
    """A forged X-Forwarded-Host could redirect users to another site after logout."""
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Accept": "text/html"}
    answer = ana.logout(frontend=frontend, headers=headers)
    assert answer.status == 303
    assert "evil.example" not in answer.header("Location")


def test_dynamic_responses_are_not_cached(browser: Browser, frontend: Box, nginx: Any) -> None:
    """A cached profile could be served to another user."""
    answers = browser.send([Request(path=route, frontend=frontend) for route in nginx["nginx_dynamic_routes"]])
    assert {answer.header("Cache-Control") for answer in answers} == {"no-store"}
    assert all("Cookie" in answer.header("Vary") for answer in answers)
    assert {answer.frontend for answer in answers} == {frontend.name}
    assert all(answer.backend for answer in answers)


def test_new_connection_routes_close_the_connection(ana: Browser, frontend: Box, nginx: Any, lab: Lab) -> None:
    """Browsers stay on a frontend while its connection is open. These routes close it, so the next request can move."""
    for route in nginx["nginx_closing_routes"]:
        paths = (route, f"/conexao-nova{route}")
        kept, closed = ana.send([Request(path=path, frontend=frontend, options=["--http1.1"]) for path in paths])
        assert (kept.status, closed.status) == (200, 200)
        assert (kept.header("Connection"), closed.header("Connection")) == ("keep-alive", "close")
        assert closed.backend in lab.names("backends")
        assert set(closed.json) == set(kept.json)


def test_status_of_a_single_backend_is_available(browser: Browser, frontend: Box, lab: Lab) -> None:
    """The page monitors each backend, and the balanced route would return a different one each time."""
    answers = {box.name: browser.get(f"/status/{box.name}", frontend=frontend) for box in lab.tier("backends")}
    assert {name: answer.backend for name, answer in answers.items()} == {name: name for name in answers}
    assert {answer.status for answer in answers.values()} == {200}


@pytest.mark.parametrize("path", ["/status/", "/status/redis1", "/status/backend1/metrics", "/conexao-nova/login"])
def test_other_paths_are_not_proxied(browser: Browser, frontend: Box, path: str) -> None:
    """Only known routes and backend names reach a machine."""
    answer = browser.get(path, frontend=frontend)
    assert (answer.status, answer.backend) == (404, "")
