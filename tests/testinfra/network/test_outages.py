"""A tier fails, a machine of it or all: who is logged in stays logged in, and everybody gets a clean answer in time."""

from __future__ import annotations

from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW, wait_until
from tests.testinfra.browser import HTML, Answer, Browser, Request, summary

pytestmark = pytest.mark.disruptive

DATA_BUDGET_SECONDS = 3 * SLOW
"""The app answers within this time, whatever Redis and MySQL do; nginx waits longer than that."""

FRONTEND_DEADLINE_SECONDS = 5
IN_TIME_SECONDS = FRONTEND_DEADLINE_SECONDS * SLOW


def assert_try_later(answers: list[Answer]) -> None:
    """A clean refusal: 503, when to come back, nothing done to the cookie."""
    assert {answer.status for answer in answers} == {503}, summary(answers)
    assert all(int(answer.header("Retry-After")) > 0 for answer in answers)
    assert all("erro" in answer.json for answer in answers)
    assert not any("set-cookie" in answer.headers for answer in answers)


def everywhere(lab: Lab, path: str, **details: Any) -> list[Request]:
    """The same request to each frontend."""
    return [Request(path=path, frontend=frontend, **details) for frontend in lab.tier("frontends")]


@pytest.mark.rotation
def test_a_backend_is_stopped_and_no_request_fails(ana: Browser, lab: Lab) -> None:
    """The baton is passed: its users go on with the others, and come back when it does."""
    backend = lab.tier("backends")[-1]
    sessao = ana.get("/perfil").json["sessao"]
    with ana.background_load() as answers, backend.stopped(*reversed(backend.units)):
        alone = ana.get_repeatedly("/perfil", 4 * len(lab.tier("backends")))
    assert {answer.status for answer in answers + alone} == {200}, summary(answers + alone)
    assert {answer.backend for answer in alone} == set(lab.names("backends")) - {backend.name}
    assert {answer.json["sessao"] for answer in answers + alone} == {sessao}
    wait_until(
        lambda: (
            backend.name in {answer.backend for answer in ana.get_repeatedly("/perfil", 4 * len(lab.tier("backends")))}
        ),
        f"{backend.name} has a share of the requests again",
    )


def test_one_backend_is_enough(ana: Browser, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """All others are gone at once: the last one serves everybody, logins included."""
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


def test_whoever_asks_for_one_backend_is_told_that_it_is_gone(browser: Browser, lab: Lab) -> None:
    """No other answers in its name, and a frozen one is given up on in time: the page shows both in red."""
    stopped, frozen = lab.tier("backends")[:2]
    with stopped.stopped(*reversed(stopped.units)), frozen.frozen(frozen.service):
        answers = browser.send(
            [*everywhere(lab, f"/status/{stopped.name}"), *everywhere(lab, f"/status/{frozen.name}")]
        )
    assert_try_later(answers)
    assert {answer.backend for answer in answers} == {""}
    assert max(answer.seconds for answer in answers) < IN_TIME_SECONDS


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/perfil", 200), ("POST", "/logout", 204)])
def test_a_frozen_backend_costs_a_moment_and_no_request(
    ana: Browser, lab: Lab, method: str, path: str, status: int
) -> None:
    """It takes connections and says nothing: each frontend gives up on it in time and asks another."""
    backend = lab.tier("backends")[0]
    wait_until(
        lambda: backend.name in {answer.backend for answer in ana.get_repeatedly("/perfil", 4)},
        f"{backend.name} has a share of the requests",
    )
    with backend.frozen(backend.service):
        answers = ana.get_concurrently(path, 12, concurrency=12, method=method)
    assert {answer.status for answer in answers} == {status}, summary(answers)
    assert max(answer.seconds for answer in answers) > FRONTEND_DEADLINE_SECONDS * 0.9, "nobody was sent to it"


def test_without_backends_the_frontends_say_so(ana: Browser, lab: Lab) -> None:
    """A page for a person and JSON for a program, in their language; the static pages stay; then all goes on."""
    backends = lab.tier("backends")
    english = {"Accept-Language": "en"}
    try:
        lab.everywhere(lambda box: box.root_output(f"systemctl stop {' '.join(reversed(box.units))}"), backends)
        programs = ana.send(everywhere(lab, "/perfil") + everywhere(lab, "/login", method="POST", body="{}"))
        persons = ana.send(everywhere(lab, "/perfil", headers=HTML))
        foreigners = ana.send(
            everywhere(lab, "/perfil", headers=english) + everywhere(lab, "/perfil", headers=HTML | english)
        )
        pages = ana.send(everywhere(lab, "/"))
    finally:
        lab.everywhere(lambda box: box.start(*box.units), backends)

    assert_try_later(programs)
    assert {answer.status for answer in persons + foreigners} == {503}, summary(persons + foreigners)
    assert {answer.frontend for answer in programs} == set(lab.names("frontends"))
    assert not any(answer.backend for answer in programs + persons)
    assert all(answer.header("Content-Type").startswith("text/html") for answer in persons)
    assert all("Tente de novo" in answer.body and int(answer.header("Retry-After")) > 0 for answer in persons)
    assert all("Try again" in answer.body for answer in foreigners)
    assert {answer.status for answer in pages} == {200}, summary(pages)
    wait_until(
        lambda: {answer.status for answer in ana.send(everywhere(lab, "/perfil"))} == {200},
        "the same cookie is good on every frontend",
    )


def test_a_stopped_frontend_is_passed_over(ana: Browser, frontend: Box, lab: Lab) -> None:
    """Its address is still in the zone: a browser that is refused there takes the next one."""
    with frontend.stopped(*frontend.units):
        answers = ana.get_repeatedly("/perfil", 6 * len(lab.tier("frontends")))
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.frontend for answer in answers} == set(lab.names("frontends")) - {frontend.name}


def test_without_mysql_only_logins_wait(
    ana: Browser, bruno: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """Who is logged in does not notice; who wants to is told when to come back, and then comes in at once."""
    mysql, user = lab.tier("mysql")[0], demo_users[0]
    logins = [
        browser.login_request(user["usuario"], user["senha"], frontend=frontend) for frontend in lab.tier("frontends")
    ]
    with mysql.stopped(*mysql.units):
        with ana.background_load() as answers:
            refused = browser.send(logins * 2)
        status = browser.send(everywhere(lab, "/status"))
        left = bruno.logout()
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < IN_TIME_SECONDS
    assert [(answer.status, answer.json["mysql"]["ok"], answer.json["redis"]["ok"]) for answer in status] == [
        (200, False, True)
    ] * len(status)
    assert left.status == 204
    wait_until(
        lambda: browser.login(user["usuario"], user["senha"]).status == 200, "a login finds the way back to MySQL"
    )


def test_without_redis_everybody_waits_and_nobody_is_logged_out(
    ana: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """503, the cookie is kept; when Redis is back the same cookie is good, and the visits go on where they were."""
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
    after = ana.get_when_served("/perfil", "the same cookie is good again").json
    assert after["sessao"] == before["sessao"]
    assert after["visitas"] == before["visitas"] + 1


def test_a_frozen_redis_is_answered_for_in_time(ana: Browser, lab: Lab) -> None:
    """It takes connections and says nothing, which is worse than being gone: the deadlines go down the stack."""
    redis = lab.tier("redis")[0]
    with redis.frozen(redis.service):
        refused = ana.send(everywhere(lab, "/perfil"))
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < DATA_BUDGET_SECONDS
    ana.get_when_served("/perfil", "the same cookie is good again")


def test_a_frozen_mysql_is_answered_for_in_time(
    ana: Browser, browser: Browser, lab: Lab, demo_users: list[dict[str, str]]
) -> None:
    """A login that waits for it must not take the threads of who is logged in."""
    mysql, user = lab.tier("mysql")[0], demo_users[1]
    with mysql.frozen(mysql.service), ana.background_load() as answers:
        refused = [
            browser.login(user["usuario"], user["senha"], frontend=frontend) for frontend in lab.tier("frontends")
        ]
    assert_try_later(refused)
    assert max(answer.seconds for answer in refused) < IN_TIME_SECONDS
    assert {answer.status for answer in answers} == {200}, summary(answers)
    wait_until(lambda: browser.login(user["usuario"], user["senha"]).status == 200, "a login is served again")
