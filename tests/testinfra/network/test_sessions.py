"""A user logs in once and stays logged in on every server. Requests come from the client and use DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import HTML, Answer, Browser, Request, logged_in, summary

REQUESTS = 120
"""Enough to use each of the nine pairs of frontend and backend many times."""


def visits(answers: Sequence[Answer]) -> list[int]:
    return [answer.json["visitas"] for answer in answers]


@pytest.mark.rotation
def test_a_user_stays_logged_in_on_every_server(
    ana: Browser, lab: Lab, demo_users: list[dict[str, str]], record_property: Callable[[str, object], None]
) -> None:
    """The lab's main requirement: one login is valid for every pair of frontend and backend."""
    answers = ana.get_repeatedly("/perfil", REQUESTS)
    failed = [answer for answer in answers if answer.status != 200]
    pairs = {(answer.frontend, answer.backend) for answer in answers}
    record_property("requests", len(answers))
    record_property("failed", len(failed))
    print(f"session persistence: {len(answers)} requests, {len(failed)} failed, {len(pairs)} pairs of servers")

    assert (len(answers), failed) == (REQUESTS, []), summary(answers)
    assert {answer.json["usuario"] for answer in answers} == {demo_users[0]["usuario"]}
    assert len({answer.json["sessao"] for answer in answers}) == 1
    assert {answer.json["servidor"] for answer in answers} == {
        box.vars["app_server_name"] for box in lab.tier("backends")
    }
    assert {frontend for frontend, _ in pairs} == set(lab.names("frontends"))
    assert {backend for _, backend in pairs} == set(lab.names("backends"))


def test_visit_count_increases_without_gaps(ana: Browser) -> None:
    """A server that kept its own count or session would break the sequence."""
    assert visits(ana.get_repeatedly("/perfil", 30)) == list(range(1, 31))


def test_concurrent_visits_are_each_counted_once(ana: Browser) -> None:
    """A count that is not incremented atomically would lose visits."""
    answers = ana.get_concurrently("/perfil", 64, concurrency=8)
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert sorted(visits(answers)) == list(range(1, 65))


def test_a_login_at_one_frontend_is_valid_at_every_other(
    new_browser: Callable[[], Browser], frontend: Box, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """Frontends are stateless, and the next request may go to a different one."""
    user, browser = demo_users[0], new_browser()
    assert browser.login(user["usuario"], user["senha"], frontend=frontend).frontend == frontend.name
    answers = browser.send([Request(path="/perfil", frontend=other) for other in lab.tier("frontends")])
    assert [(answer.status, answer.frontend) for answer in answers] == [(200, name) for name in lab.names("frontends")]


def test_profile_shows_the_users_own_data(ana: Browser, demo_users: list[dict[str, str]]) -> None:
    """Name and e-mail come from MySQL, through the session."""
    profile = ana.get("/perfil").json
    assert {key: profile[key] for key in ("usuario", "nome", "email")} == {
        key: demo_users[0][key] for key in ("usuario", "nome", "email")
    }
    assert profile["criada_em"] < profile["expira_em"]


def test_profile_does_not_expose_the_session_cookie(ana: Browser) -> None:
    """`sessao` is displayed on the page, so it must not contain any part of the cookie."""
    answer = ana.get("/perfil")
    assert re.fullmatch(r"[0-9a-f]{6,16}", answer.json["sessao"])
    assert answer.json["sessao"] not in ana.cookie
    assert ana.cookie not in answer.body


def test_session_cookie_has_the_right_attributes(browser: Browser, demo_users: list[dict[str, str]], app: Any) -> None:
    """Scripts and other sites must not be able to use the cookie. Secure is set where the site uses HTTPS."""
    answer = browser.login(demo_users[0]["usuario"], demo_users[0]["senha"])
    cookie = answer.set_cookie(app["app_cookie_name"])
    flags = {flag.strip().lower() for flag in cookie.split(";")[1:]}
    assert cookie.startswith(f"{app['app_cookie_name']}=")
    assert {"httponly", "samesite=lax", "path=/"} <= flags
    assert ("secure" in flags) == app["app_cookie_secure"]
    assert not any(flag.startswith("domain=") for flag in flags), "other hosts of the domain would get it"


def test_logging_in_again_gives_a_new_session(ana: Browser, demo_users: list[dict[str, str]]) -> None:
    """An ID known before the login must be invalid after it."""
    before = ana.cookie
    logged_in(ana, demo_users[0])
    assert ana.cookie != before
    assert ana.get("/perfil", cookie=f"{ana.cookie_name}={before}").status == 401
    assert ana.get("/perfil").json["visitas"] == 1


def test_a_logout_ends_the_session_on_every_server(ana: Browser, lab: Lab) -> None:
    """A saved cookie is invalid on every frontend and backend immediately."""
    kept = ana.kept_cookie
    assert ana.get("/perfil", cookie=kept).status == 200
    assert ana.logout().status == 204
    times = 2 * len(lab.tier("backends"))
    requests = [
        Request(path="/perfil", frontend=each, cookie=kept) for each in lab.tier("frontends") for _ in range(times)
    ]
    answers = ana.send(requests)
    assert {answer.status for answer in answers} == {401}, summary(answers)
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
    assert {answer.backend for answer in answers} == set(lab.names("backends"))


def test_logging_out_removes_the_cookie(ana: Browser) -> None:
    """The browser should not keep an invalid cookie."""
    assert ana.cookie
    ana.logout()
    assert ana.cookie == ""


def test_logging_out_twice_is_not_an_error(ana: Browser) -> None:
    """A user may double-click the button."""
    assert [ana.logout().status for _ in range(2)] == [204, 204]


def test_a_logout_does_not_affect_other_devices(
    ana: Browser, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]
) -> None:
    """A logout ends one session, not all sessions of the user."""
    phone = logged_in(new_browser(), demo_users[0])
    ana.logout()
    assert phone.get("/perfil").status == 200


def test_a_user_never_sees_the_session_of_another(
    ana: Browser, bruno: Browser, demo_users: list[dict[str, str]]
) -> None:
    """Alternating and concurrent requests of two users share the same servers and connections."""
    cookies = [user.kept_cookie for user in (ana, bruno)]
    answers = ana.send([Request(path="/perfil", cookie=cookie) for _ in range(20) for cookie in cookies])
    for turn, user in enumerate(demo_users[:2]):
        own = answers[turn::2]
        assert [answer.json["usuario"] for answer in own] == [user["usuario"]] * 20
        assert len({answer.json["sessao"] for answer in own}) == 1
        assert visits(own) == list(range(1, 21))

    with bruno.background_load("/perfil") as meanwhile:
        crowd = ana.get_concurrently("/perfil", 40)
    assert {answer.json["usuario"] for answer in crowd} == {demo_users[0]["usuario"]}
    assert {answer.json["usuario"] for answer in meanwhile} == {demo_users[1]["usuario"]}


def test_a_browser_without_javascript_logs_in_and_sees_the_profile(
    browser: Browser, demo_users: list[dict[str, str]]
) -> None:
    """The login form on the front page works without scripts."""
    user = demo_users[0]
    form = ["--data-urlencode", f"usuario={user['usuario']}", "--data-urlencode", f"senha={user['senha']}"]
    answer = browser.post("/login", headers=HTML, options=form)
    assert (answer.status, answer.header("Location")) == (303, "/perfil")
    page = browser.get("/perfil", headers=HTML)
    assert page.header("Content-Type").startswith("text/html")
    assert user["nome"] in page.body


@pytest.mark.rotation
def test_status_is_public(browser: Browser, lab: Lab) -> None:
    """It shows which server answered, and the latency of Redis and MySQL, without a login."""
    answers = browser.get_repeatedly("/status", 3 * len(lab.tier("backends")))
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.json["servidor"] for answer in answers} == {
        box.vars["app_server_name"] for box in lab.tier("backends")
    }
    assert all(
        answer.json[name]["ok"] and answer.json[name]["ms"] >= 0 for answer in answers for name in ("redis", "mysql")
    )
