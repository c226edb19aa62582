"""The relay race: a user logs in once and stays logged in, whoever runs. From the client, by name, through DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import HTML, Answer, Browser, Request, logged_in, summary

REQUESTS = 120
"""Enough that each of nine pairs of frontend and backend has its turn many times."""


def visits(answers: Sequence[Answer]) -> list[int]:
    return [answer.json["visitas"] for answer in answers]


@pytest.mark.rotation
def test_a_user_stays_logged_in_on_every_server(
    ana: Browser, lab: Lab, demo_users: list[dict[str, str]], record_property: Callable[[str, object], None]
) -> None:
    """This is what the whole system is for: one login, and every pair of frontend and backend knows the user."""
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


def test_visits_count_up_without_a_gap(ana: Browser) -> None:
    """A server that kept its own count, or its own session, would show here at once."""
    assert visits(ana.get_repeatedly("/perfil", 30)) == list(range(1, 31))


def test_visits_at_the_same_time_are_each_counted_once(ana: Browser) -> None:
    """Eight requests at a time on three servers: a count that is read, raised and written loses some."""
    answers = ana.get_concurrently("/perfil", 64, concurrency=8)
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert sorted(visits(answers)) == list(range(1, 65))


def test_a_login_at_any_frontend_holds_at_every_other(
    new_browser: Callable[[], Browser], frontend: Box, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """No frontend keeps anything: whichever of them a user came in by, the next one may be another."""
    user, browser = demo_users[0], new_browser()
    assert browser.login(user["usuario"], user["senha"], frontend=frontend).frontend == frontend.name
    answers = browser.send([Request(path="/perfil", frontend=other) for other in lab.tier("frontends")])
    assert [(answer.status, answer.frontend) for answer in answers] == [(200, name) for name in lab.names("frontends")]


def test_a_profile_is_the_users_own(ana: Browser, demo_users: list[dict[str, str]]) -> None:
    """Name and e-mail come from MySQL by way of the session."""
    profile = ana.get("/perfil").json
    assert {key: profile[key] for key in ("usuario", "nome", "email")} == {
        key: demo_users[0][key] for key in ("usuario", "nome", "email")
    }
    assert profile["criada_em"] < profile["expira_em"]


def test_a_profile_does_not_give_the_session_away(ana: Browser) -> None:
    """`sessao` is shown on the page, and on screenshots of it: it must not be the cookie, nor a part of it."""
    answer = ana.get("/perfil")
    assert re.fullmatch(r"[0-9a-f]{6,16}", answer.json["sessao"])
    assert answer.json["sessao"] not in ana.cookie
    assert ana.cookie not in answer.body


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    browser: Browser, demo_users: list[dict[str, str]], app: Any
) -> None:
    """HttpOnly, SameSite; Secure wherever the site speaks HTTPS."""
    answer = browser.login(demo_users[0]["usuario"], demo_users[0]["senha"])
    cookie = answer.set_cookie(app["app_cookie_name"])
    flags = {flag.strip().lower() for flag in cookie.split(";")[1:]}
    assert cookie.startswith(f"{app['app_cookie_name']}=")
    assert {"httponly", "samesite=lax", "path=/"} <= flags
    assert ("secure" in flags) == app["app_cookie_secure"]
    assert not any(flag.startswith("domain=") for flag in flags), "other hosts of the domain would get it"


def test_logging_in_again_gives_a_new_session(ana: Browser, demo_users: list[dict[str, str]]) -> None:
    """An id that was known before the login is worth nothing after it."""
    before = ana.cookie
    logged_in(ana, demo_users[0])
    assert ana.cookie != before
    assert ana.get("/perfil", cookie=f"{ana.cookie_name}={before}").status == 401
    assert ana.get("/perfil").json["visitas"] == 1


def test_logging_out_once_is_logging_out_everywhere(ana: Browser, lab: Lab) -> None:
    """On every frontend and, asked often enough, every backend: at once, also with a cookie that was kept."""
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
    """The browser forgets what is worth nothing any more."""
    assert ana.cookie
    ana.logout()
    assert ana.cookie == ""


def test_logging_out_twice_does_no_harm(ana: Browser) -> None:
    """A double click is no error."""
    assert [ana.logout().status for _ in range(2)] == [204, 204]


def test_logging_out_at_one_computer_leaves_the_other_alone(
    ana: Browser, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]
) -> None:
    """The telephone stays logged in when the computer is left."""
    telephone = logged_in(new_browser(), demo_users[0])
    ana.logout()
    assert telephone.get("/perfil").status == 200


def test_a_user_never_sees_the_session_of_another(
    ana: Browser, bruno: Browser, demo_users: list[dict[str, str]]
) -> None:
    """Two users in turns and at the same time, over the same servers and connections: each sees only their own."""
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
    """The form of the front page is enough."""
    user = demo_users[0]
    form = ["--data-urlencode", f"usuario={user['usuario']}", "--data-urlencode", f"senha={user['senha']}"]
    answer = browser.post("/login", headers=HTML, options=form)
    assert (answer.status, answer.header("Location")) == (303, "/perfil")
    page = browser.get("/perfil", headers=HTML)
    assert page.header("Content-Type").startswith("text/html")
    assert user["nome"] in page.body


@pytest.mark.rotation
def test_the_status_is_for_everybody(browser: Browser, lab: Lab) -> None:
    """Who demonstrates the system sees from outside which server answers and how fast its neighbours are."""
    answers = browser.get_repeatedly("/status", 3 * len(lab.tier("backends")))
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.json["servidor"] for answer in answers} == {
        box.vars["app_server_name"] for box in lab.tier("backends")
    }
    assert all(
        answer.json[name]["ok"] and answer.json[name]["ms"] >= 0 for answer in answers for name in ("redis", "mysql")
    )
