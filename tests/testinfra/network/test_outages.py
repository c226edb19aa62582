"""Outages of a machine or a whole tier: sessions survive, and every request gets a clean answer in time."""

from __future__ import annotations

from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW, wait_until
from tests.testinfra.browser import HTML, Answer, Browser, Request, summary

pytestmark = pytest.mark.disruptive

DATA_BUDGET_SECONDS = 3 * SLOW
"""The app answers within this time even if Redis or MySQL hangs. nginx's timeout is longer."""

FRONTEND_DEADLINE_SECONDS = 5
IN_TIME_SECONDS = FRONTEND_DEADLINE_SECONDS * SLOW


def assert_try_later(answers: list[Answer]) -> None:
    """Assert clean refusals: 503 with Retry-After and a JSON error, and an unchanged cookie."""
    assert {answer.status for answer in answers} == {503}, summary(answers)
    assert all(int(answer.header("Retry-After")) > 0 for answer in answers)
    assert all("erro" in answer.json for answer in answers)
    assert not any("set-cookie" in answer.headers for answer in answers)


def everywhere(lab: Lab, path: str, **details: Any) -> list[Request]:
    """The same request to each frontend."""
    return [Request(path=path, frontend=frontend, **details) for frontend in lab.tier("frontends")]


@pytest.mark.rotation
def test_a_stopped_backend_causes_no_failed_request(ana: Browser, lab: Lab) -> None:
    """The other backends serve its users until it returns."""
    backend = lab.tier("backends")[-1]
    sessao = ana.get("/perfil").json["sessao"]
    with ana.background_load() as answers, backend.stopped(*reversed(backend.units)):
        during_outage = ana.get_repeatedly("/perfil", 4 * len(lab.tier("backends")))
    assert {answer.status for answer in answers + during_outage} == {200}, summary(answers + during_outage)
    assert {answer.backend for answer in during_outage} == set(lab.names("backends")) - {backend.name}
    assert {answer.json["sessao"] for answer in answers + during_outage} == {sessao}
    wait_until(
        lambda: (
            backend.name in {answer.backend for answer in ana.get_repeatedly("/perfil", 4 * len(lab.tier("backends")))}
        ),
        f"{backend.name} receives requests again",
    )


def test_one_backend_is_enough(ana: Browser, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """A single backend serves every request, including logins, while all others are down."""
    last, *others = lab.tier("backends")
    user = demo_users[0]
    try:
        lab.everywhere(lambda box: box.root_output(f"systemctl stop {' '.join(reversed(box.units))}"), others)
        answers = ana.send(everywhere(lab, "/perfil") * 4)
        logins = [ana.login(user["usuario"], user["senha"], frontend=frontend) for frontend in lab.tier("frontends")]
    finally:
        lab.everywhere(lambda box: box.start(*box.units), others)
    assert {answer.status for answer in answers + logins} == {200}, summary(answers + logins)
    assert {answer.backend for answer in answers + logins} == {last.name}


def test_status_of_an_unavailable_backend_returns_503(browser: Browser, lab: Lab) -> None:
    """No other backend may answer in its place, and a frozen one must time out, so that the page shows both as down."""
    stopped, frozen = lab.tier("backends")[:2]
    with stopped.stopped(*reversed(stopped.units)), frozen.frozen(frozen.service):
        answers = browser.send(
            [*everywhere(lab, f"/status/{stopped.name}"), *everywhere(lab, f"/status/{frozen.name}")]
        )
    assert_try_later(answers)
    assert {answer.backend for answer in answers} == {""}
    assert max(answer.seconds for answer in answers) < IN_TIME_SECONDS


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/perfil", 200), ("POST", "/logout", 204)])
def test_a_frozen_backend_causes_delay_but_no_failed_request(
    ana: Browser, lab: Lab, method: str, path: str, status: int
) -> None:
    """It accepts connections without answering, so each frontend times out and retries another backend."""
    backend = lab.tier("backends")[0]
    wait_until(
        lambda: backend.name in {answer.backend for answer in ana.get_repeatedly("/perfil", 4)},
        f"{backend.name} receives requests",
    )
    with backend.frozen(backend.service):
        answers = ana.get_concurrently(path, 12, concurrency=12, method=method)
    assert {answer.status for answer in answers} == {status}, summary(answers)
    assert max(answer.seconds for answer in answers) > FRONTEND_DEADLINE_SECONDS * 0.9, (
        "no request reached the frozen backend"
    )


def test_frontends_return_503_when_all_backends_are_down(ana: Browser, lab: Lab) -> None:
    """Errors match the client's format and language, static pages stay available, and sessions survive."""
    backends = lab.tier("backends")
    english = {"Accept-Language": "en"}
    try:
        lab.everywhere(lambda box: box.root_output(f"systemctl stop {' '.join(reversed(box.units))}"), backends)
        json_errors = ana.send(everywhere(lab, "/perfil") + everywhere(lab, "/login", method="POST", body="{}"))
        html_errors = ana.send(everywhere(lab, "/perfil", headers=HTML))
        english_errors = ana.send(
            everywhere(lab, "/perfil", headers=english) + everywhere(lab, "/perfil", headers=HTML | english)
        )
        pages = ana.send(everywhere(lab, "/"))
    finally:
        lab.everywhere(lambda box: box.start(*box.units), backends)

    assert_try_later(json_errors)
    assert {answer.status for answer in html_errors + english_errors} == {503}, summary(html_errors + english_errors)
    assert {answer.frontend for answer in json_errors} == set(lab.names("frontends"))
    assert not any(answer.backend for answer in json_errors + html_errors)
    assert all(answer.header("Content-Type").startswith("text/html") for answer in html_errors)
    assert all("Tente de novo" in answer.body and int(answer.header("Retry-After")) > 0 for answer in html_errors)
    assert all("Try again" in answer.body for answer in english_errors)
    assert {answer.status for answer in pages} == {200}, summary(pages)
    wait_until(
        lambda: {answer.status for answer in ana.send(everywhere(lab, "/perfil"))} == {200},
        "the same cookie is valid on every frontend",
    )


def test_clients_skip_a_stopped_frontend(ana: Browser, frontend: Box, lab: Lab) -> None:
    """Its address stays in the zone, so clients must fall back to the next address."""
    with frontend.stopped(*frontend.units):
        answers = ana.get_repeatedly("/perfil", 6 * len(lab.tier("frontends")))
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.frontend for answer in answers} == set(lab.names("frontends")) - {frontend.name}


def test_a_mysql_outage_affects_only_logins(
    ana: Browser, bruno: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """Logged-in users are unaffected. Logins get 503 with Retry-After, and work again after the outage."""
    user = demo_users[0]
    logins = [
        browser.login_request(user["usuario"], user["senha"], frontend=frontend) for frontend in lab.tier("frontends")
    ]
    with lab.outage("mysql"):
        with ana.background_load() as answers:
            refused = browser.send(logins * 2)
        status = browser.send(everywhere(lab, "/status"))
        logout = bruno.logout()
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < IN_TIME_SECONDS
    assert [(answer.status, answer.json["mysql"]["ok"], answer.json["redis"]["ok"]) for answer in status] == [
        (200, False, True)
    ] * len(status)
    assert logout.status == 204
    wait_until(lambda: browser.login(user["usuario"], user["senha"]).status == 200, "logins work again")


def test_a_redis_outage_logs_no_user_out(
    ana: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """Requests get 503 and the cookie is kept. After the outage, the session continues with the same visit count."""
    redis, user = lab.tier("redis")[0], demo_users[1]
    before, cookie = ana.get("/perfil").json, ana.cookie
    with redis.stopped(*redis.units):
        refused = ana.send(everywhere(lab, "/perfil") * 3 + everywhere(lab, "/logout", method="POST"))
        refused.append(browser.login(user["usuario"], user["senha"]))
        status = browser.send(everywhere(lab, "/status"))
        pages = browser.send(everywhere(lab, "/"))
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < IN_TIME_SECONDS
    assert {(answer.status, answer.json["redis"]["ok"]) for answer in status} == {(200, False)}
    assert {answer.status for answer in pages} == {200}
    assert ana.cookie == cookie
    after = ana.get_when_served("/perfil", "the same cookie is valid again").json
    assert after["sessao"] == before["sessao"]
    assert after["visitas"] == before["visitas"] + 1


def test_requests_fail_in_time_when_redis_is_frozen(ana: Browser, lab: Lab) -> None:
    """It accepts connections without answering, so only the app's timeout ends the request."""
    redis = lab.tier("redis")[0]
    with redis.frozen(redis.service):
        refused = ana.send(everywhere(lab, "/perfil"))
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < DATA_BUDGET_SECONDS
    ana.get_when_served("/perfil", "the same cookie is valid again")


def test_logins_fail_in_time_when_mysql_is_frozen(
    ana: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """Waiting logins must not use up the threads that serve logged-in users."""
    user = demo_users[1]
    with lab.frozen("mysql"), ana.background_load() as answers:
        refused = [
            browser.login(user["usuario"], user["senha"], frontend=frontend) for frontend in lab.tier("frontends")
        ]
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < IN_TIME_SECONDS
    assert {answer.status for answer in answers} == {200}, summary(answers)
    wait_until(lambda: browser.login(user["usuario"], user["senha"]).status == 200, "logins work again")
