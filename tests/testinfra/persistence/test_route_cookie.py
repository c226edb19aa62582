"""The second way of balancing, on the lab: a cookie keeps a visitor on one backend (docs/balancing.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Browser, Request, logged_in, summary
from tests.visitors import COOKIE, Answer, Visit, digest, shares, visits

pytestmark = pytest.mark.route_cookie

Visits = Callable[[Sequence[Visit]], list[Answer]]

FIRST_VISITS = 3000
SPREAD_POINTS = 5
"""Six times what chance alone does to the share of one in three."""


@pytest.fixture(scope="session")
def visit(client: Box, lab: Lab) -> Visits:
    """Makes visits from the client machine."""
    return lambda asked: visits(client.python, asked, lab.site_name, lab.site_port)


@pytest.fixture(scope="session")
def genuine(lab: Lab, nginx: Any) -> dict[str, str]:
    """The value that stands for each backend, as the key has it."""
    return {name: digest(nginx["nginx_route_key"], name) for name in lab.names("backends")}


@pytest.fixture(scope="session")
def draining(nginx: Any) -> list[str]:
    return list(nginx["nginx_draining"])


@pytest.fixture(scope="session")
def welcoming(lab: Lab, draining: list[str]) -> list[str]:
    """The backends that take new visitors."""
    return [name for name in lab.names("backends") if name not in draining]


def everywhere(lab: Lab, route: str, times: int = 1) -> list[Visit]:
    """Visits with this cookie, each at another frontend than the last."""
    return [Visit(address, route) for address in lab.addresses("frontends")] * times


def assert_stays(answers: Sequence[Answer], backend: str) -> None:
    """The same backend, and nothing said about it. 401, because nobody is logged in."""
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(401, backend, "")}


def test_first_visits_are_spread_by_the_weights(visit: Visits, lab: Lab, nginx: Any, welcoming: list[str]) -> None:
    """Chance decides for each visitor, the weights for all of them."""
    weights = nginx["nginx_backend_weights"] or dict.fromkeys(welcoming, 1)
    expected = {name: 100 * weights[name] / sum(weights[name] for name in welcoming) for name in welcoming}
    frontends = lab.tier("frontends")
    answers = visit(everywhere(lab, "", FIRST_VISITS // len(frontends)))
    found = shares(answers)
    print(f"{len(answers)} first visits: {found}")
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
    assert found == {name: pytest.approx(share, abs=SPREAD_POINTS) for name, share in expected.items()}


def test_each_backend_has_one_cookie_on_all_frontends(
    visit: Visits, lab: Lab, genuine: dict[str, str], welcoming: list[str]
) -> None:
    """It is made of the key and the name, so frontends need not talk with each other."""
    answers = visit(everywhere(lab, "", 12))
    assert {answer.backend for answer in answers} <= set(welcoming)
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]


def test_a_cookie_is_honoured_by_every_frontend(visit: Visits, lab: Lab, genuine: dict[str, str]) -> None:
    """A hundred visits, each at another frontend than the last: all at the backend of the cookie."""
    for backend, cookie in genuine.items():
        assert_stays(visit(everywhere(lab, cookie, 33)), backend)


def test_a_user_stays_on_one_backend_through_dns(ana: Browser, lab: Lab, genuine: dict[str, str]) -> None:
    """As a browser comes: whichever frontend the name leads to, the backend is that of the login."""
    answers = ana.get_repeatedly("/perfil", 20 * len(lab.tier("frontends")))
    (backend,) = {answer.backend for answer in answers}
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
    assert ana.jar(COOKIE) == genuine[backend]


def test_the_cookie_tells_no_name(visit: Visits, lab: Lab, nginx: Any) -> None:
    """Which backends there are is nobody's business; scripts and other sites have no business with it at all."""
    for answer in visit(everywhere(lab, "", 10)):
        value, *flags = answer.set_cookie.split("; ")
        assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{16}}", value)
        assert flags == ["Path=/", "HttpOnly", "SameSite=Lax", *(["Secure"] if nginx["nginx_cookie_secure"] else [])]


def test_a_forged_value_is_replaced(visit: Visits, lab: Lab, genuine: dict[str, str]) -> None:
    """It counts as no cookie: no name, address or guess opens a way to a backend of the client's choice."""
    backend = lab.tier("backends")[0]
    port = backend.role("app")["app_port"]
    forged = [backend.name, f"to_{backend.name}", f"{backend.address}:{port}", "0123456789abcdef", "a b", "$host"]
    forged += [f"x {genuine[backend.name]}", 2 * genuine[backend.name]]
    answers = visit([each for value in forged for each in everywhere(lab, value)])
    assert {answer.status for answer in answers} == {401}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]


def test_static_pages_set_no_cookie(visit: Visits, lab: Lab) -> None:
    """They come from the frontend, and may be kept by others."""
    answers = visit([Visit(address, path="/") for address in lab.addresses("frontends")])
    assert {(answer.status, answer.set_cookie) for answer in answers} == {(200, "")}


@pytest.mark.disruptive
def test_a_stopped_backend_costs_no_request_and_no_login(
    visit: Visits, new_browser: Callable[[], Browser], lab: Lab, demo_users: list[dict[str, str]], welcoming: list[str]
) -> None:
    """The user is passed on once and stays there; when the old backend is back, nobody is moved again."""
    ana = logged_in(new_browser(), demo_users[0])
    before = ana.get("/perfil")
    home = lab[before.backend]
    with ana.background_load() as load, home.stopped(*reversed(home.units)):
        away = ana.send([Request(path="/perfil", frontend=each) for each in lab.tier("frontends")] * 10)
        new = visit(everywhere(lab, "", 20))
    answers = [*away, *load]
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.json["sessao"] for answer in answers} == {before.json["sessao"]}
    assert len({answer.backend for answer in away}) == 1, summary(away)
    assert {answer.backend for answer in away} <= set(welcoming) - {home.name}
    assert {(answer.status, answer.backend) for answer in new} == {
        (401, name) for name in welcoming if name != home.name
    }

    wait_until(lambda: home.name in shares(visit(everywhere(lab, "", 10))), f"{home.name} takes new visitors again")
    later = ana.get_repeatedly("/perfil", 30)
    assert {answer.status for answer in later} == {200}, summary(later)
    assert {answer.backend for answer in later} == {answer.backend for answer in away}


def test_a_draining_backend_serves_its_own_and_takes_nobody_new(
    visit: Visits, lab: Lab, genuine: dict[str, str], draining: list[str], welcoming: list[str]
) -> None:
    """So it can be stopped when those who are on it have gone home."""
    if not draining:
        pytest.skip("nginx_draining names no backend")
    for backend in draining:
        assert_stays(visit(everywhere(lab, genuine[backend], 10)), backend)
    assert set(shares(visit(everywhere(lab, "", 100)))) == set(welcoming)


@pytest.mark.disruptive
def test_a_failure_sends_nobody_to_a_draining_backend(
    visit: Visits, lab: Lab, genuine: dict[str, str], draining: list[str], welcoming: list[str]
) -> None:
    """Who has to move goes to a backend that stays."""
    if not draining or len(welcoming) < 2:
        pytest.skip("nginx_draining names no backend, or leaves no two")
    gone = lab[welcoming[0]]
    with gone.stopped(*reversed(gone.units)):
        answers = visit(everywhere(lab, genuine[gone.name], 20))
    assert {answer.status for answer in answers} == {401}
    assert {answer.backend for answer in answers} <= set(welcoming[1:])


def test_one_backend_more_moves_nobody(visit: Visits, lab: Lab, nginx: Any, genuine: dict[str, str]) -> None:
    """The frontends know of one that is not there yet: cookies stay, and its new visitors are served by the others."""
    if not set(nginx["nginx_backends"]) - set(genuine):
        pytest.skip("nginx_backends names no backend beside those of the lab")
    for backend, cookie in genuine.items():
        assert_stays(visit(everywhere(lab, cookie, 10)), backend)
    answers = visit(everywhere(lab, "", 50))
    assert {answer.status for answer in answers} == {401}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]
