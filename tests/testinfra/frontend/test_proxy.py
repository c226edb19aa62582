"""Each frontend passes the dynamic routes to every backend, and tells them the truth about the client."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lab.logs import logged_by_backend, logged_by_frontend
from lab.machines import Box, Lab
from tests.testinfra.browser import Browser, Request, summary


@pytest.mark.rotation
def test_it_reaches_every_backend(browser: Browser, frontend: Box, lab: Lab) -> None:
    """A backend that one frontend cannot reach is missing for a third of the users."""
    answers = browser.get_repeatedly("/perfil", 4 * len(lab.tier("backends")), frontend=frontend)
    assert {answer.status for answer in answers} == {401}, summary(answers)
    assert {answer.backend for answer in answers} == set(lab.names("backends"))


@pytest.mark.rotation
def test_it_gives_every_backend_its_share(browser: Browser, frontend: Box, lab: Lab) -> None:
    """No stickiness: a user's requests go to whoever is next."""
    backends = lab.names("backends")
    shares = Counter(
        answer.backend for answer in browser.get_repeatedly("/perfil", 10 * len(backends), frontend=frontend)
    )
    assert min(shares[name] for name in backends) >= 5, shares


@pytest.mark.rotation
def test_a_backend_says_its_name_for_people(browser: Browser, frontend: Box, lab: Lab) -> None:
    """`servidor` is what the page shows, and has to be the machine that answered."""
    answers = browser.get_repeatedly("/status", 2 * len(lab.tier("backends")), frontend=frontend)
    said = {answer.backend: answer.json["servidor"] for answer in answers}
    assert said == {box.name: box.vars["app_server_name"] for box in lab.tier("backends")}


def test_one_id_follows_a_request_through_both_logs(browser: Browser, frontend: Box, lab: Lab) -> None:
    """One search finds what a user complains about, on whichever machines it happened."""
    answer = browser.get("/status", frontend=frontend)
    outside = logged_by_frontend(frontend, answer.request_id)
    inside = logged_by_backend(lab[answer.backend], answer.request_id)
    assert (outside["uri"], outside["status"], outside["frontend"]) == ("/status", 200, frontend.name)
    assert outside["upstream"].startswith(f"{lab[answer.backend].address}:")
    assert [(line["path"], line["status"], line["backend"]) for line in inside] == [("/status", 200, answer.backend)]


def test_a_refused_request_is_logged_by_the_path_that_was_asked_for(browser: Browser, frontend: Box) -> None:
    """Who looks for a broken link needs the path; what stands in a query may be private."""
    answer = browser.get("/missing?token=private", frontend=frontend)
    line = logged_by_frontend(frontend, answer.request_id)
    assert (line["uri"], line["status"]) == ("/missing", 404)
    assert "private" not in str(line)


def test_a_client_cannot_choose_its_request_id(browser: Browser, frontend: Box) -> None:
    """Otherwise a stranger writes into the search of somebody else's request."""
    answer = browser.get("/status", frontend=frontend, headers={"X-Request-Id": "forged-by-the-client"})
    assert answer.request_id not in ("", "forged-by-the-client")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"])
def test_a_client_cannot_choose_its_address(browser: Browser, frontend: Box, lab: Lab, name: str) -> None:
    """The limit on failed logins counts by address, and the log is evidence."""
    forged = "for=203.0.113.7" if name == "Forwarded" else "203.0.113.7"
    answer = browser.get("/perfil", frontend=frontend, headers={name: forged})
    outside = logged_by_frontend(frontend, answer.request_id)
    (inside,) = logged_by_backend(lab[answer.backend], answer.request_id)
    assert (outside["client"], inside["client"]) == (browser.client.address,) * 2


def test_a_client_cannot_choose_the_host_of_a_redirect(ana: Browser, frontend: Box) -> None:
    """A forged X-Forwarded-Host would send a user who logs out to somebody else's site."""
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Accept": "text/html"}
    answer = ana.logout(frontend=frontend, headers=headers)
    assert answer.status == 303
    assert "evil.example" not in answer.header("Location")


def test_no_dynamic_answer_is_kept(browser: Browser, frontend: Box, nginx: Any) -> None:
    """A profile in a cache is a profile for the next user."""
    answers = browser.send([Request(path=route, frontend=frontend) for route in nginx["nginx_dynamic_routes"]])
    assert {answer.header("Cache-Control") for answer in answers} == {"no-store"}
    assert all("Cookie" in answer.header("Vary") for answer in answers)
    assert {answer.frontend for answer in answers} == {frontend.name}
    assert all(answer.backend for answer in answers)


def test_a_new_connection_is_to_be_had(ana: Browser, frontend: Box, nginx: Any, lab: Lab) -> None:
    """A browser keeps its connection, and with it the frontend: here the frontend closes it after the answer."""
    for route in nginx["nginx_closing_routes"]:
        kept, closed = ana.send([Request(path=path, frontend=frontend) for path in (route, f"/conexao-nova{route}")])
        assert (kept.status, closed.status) == (200, 200)
        assert (kept.header("Connection"), closed.header("Connection")) == ("keep-alive", "close")
        assert closed.backend in lab.names("backends")
        assert set(closed.json) == set(kept.json)


def test_one_backend_can_be_asked_how_it_is(browser: Browser, frontend: Box, lab: Lab) -> None:
    """The page watches each of them; who is next in turn would report another one every time."""
    answers = {box.name: browser.get(f"/status/{box.name}", frontend=frontend) for box in lab.tier("backends")}
    assert {name: answer.backend for name, answer in answers.items()} == {name: name for name in answers}
    assert {answer.status for answer in answers.values()} == {200}


@pytest.mark.parametrize("path", ["/status/", "/status/redis1", "/status/backend1/metrics", "/conexao-nova/login"])
def test_nothing_else_is_passed_on(browser: Browser, frontend: Box, path: str) -> None:
    """A path that somebody makes up leads to no machine."""
    answer = browser.get(path, frontend=frontend)
    assert (answer.status, answer.backend) == (404, "")
