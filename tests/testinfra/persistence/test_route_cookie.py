"""The route_cookie mode on the lab: a cookie keeps a visitor on one backend (docs/balancing.md)."""

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
"""About six standard deviations of a share of one in three."""


@pytest.fixture(scope="session")
def visit(client: Box, lab: Lab) -> Visits:
    """Make visits from the client machine."""
    https = bool(lab.vars["site_is_https"])
    return lambda requested: visits(client.python, requested, lab.site_name, lab.site_port, https=https)


@pytest.fixture(scope="session")
def genuine(lab: Lab, nginx: Any) -> dict[str, str]:
    """The cookie value of each backend, derived from the key."""
    return {name: digest(nginx["nginx_route_keys"][0], name) for name in lab.names("backends")}


@pytest.fixture(scope="session")
def draining(nginx: Any) -> list[str]:
    return list(nginx["nginx_draining"])


@pytest.fixture(scope="session")
def welcoming(lab: Lab, draining: list[str]) -> list[str]:
    """The backends that accept new visitors."""
    return [name for name in lab.names("backends") if name not in draining]


def everywhere(lab: Lab, route: str, times: int = 1) -> list[Visit]:
    """Visits with this cookie, cycling through the frontends."""
    return [Visit(address, route) for address in lab.addresses("frontends")] * times


def assert_stays(answers: Sequence[Answer], backend: str) -> None:
    """Assert that this backend answers without a new cookie. The status is 401 because no user is logged in."""
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(401, backend, "")}


def test_first_visits_are_spread_by_the_weights(visit: Visits, lab: Lab, nginx: Any, welcoming: list[str]) -> None:
    """Each visitor gets a random backend, and the shares follow the weights."""
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
    """Frontends derive it from the key and the backend's name, so they need no shared state."""
    answers = visit(everywhere(lab, "", 12))
    assert {answer.backend for answer in answers} <= set(welcoming)
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]


def test_a_cookie_is_honoured_by_every_frontend(visit: Visits, lab: Lab, genuine: dict[str, str]) -> None:
    """Whichever frontend a visit goes through, it reaches the cookie's backend."""
    for backend, cookie in genuine.items():
        assert_stays(visit(everywhere(lab, cookie, 33)), backend)


def test_a_user_stays_on_one_backend_through_dns(ana: Browser, lab: Lab, genuine: dict[str, str]) -> None:
    """Whichever frontend DNS selects, the backend is the one that handled the login."""
    answers = ana.get_repeatedly("/perfil", 20 * len(lab.tier("frontends")))
    (backend,) = {answer.backend for answer in answers}
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
    assert ana.jar(COOKIE) == genuine[backend]


def test_the_cookie_hides_the_backends_name(visit: Visits, lab: Lab, nginx: Any) -> None:
    """The value must not reveal backend names, and scripts and other sites must not have access to it."""
    for answer in visit(everywhere(lab, "", 10)):
        value, *flags = answer.set_cookie.split("; ")
        assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{16}}", value)
        assert flags == ["Path=/", "HttpOnly", "SameSite=Lax", *(["Secure"] if nginx["nginx_cookie_secure"] else [])]


def test_a_forged_value_is_replaced(visit: Visits, lab: Lab, genuine: dict[str, str]) -> None:
    """A forged value is ignored, so clients cannot choose a backend by name, address or guess."""
    backend = lab.tier("backends")[0]
    port = backend.role("app")["app_port"]
    forged = [backend.name, f"to_{backend.name}", f"{backend.address}:{port}", "0123456789abcdef", "a b", "$host"]
    forged += [f"x {genuine[backend.name]}", 2 * genuine[backend.name]]
    answers = visit([each for value in forged for each in everywhere(lab, value)])
    assert {answer.status for answer in answers} == {401}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]


def test_static_pages_set_no_cookie(visit: Visits, lab: Lab) -> None:
    """They are served by the frontend, and may be stored in shared caches."""
    answers = visit([Visit(address, path="/") for address in lab.addresses("frontends")])
    assert {(answer.status, answer.set_cookie) for answer in answers} == {(200, "")}


@pytest.mark.disruptive
def test_a_stopped_backend_causes_no_failed_request_and_no_logout(
    visit: Visits, new_browser: Callable[[], Browser], lab: Lab, demo_users: list[dict[str, str]], welcoming: list[str]
) -> None:
    """Its user moves to another backend once, and stays there when the old one returns."""
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

    wait_until(lambda: home.name in shares(visit(everywhere(lab, "", 10))), f"{home.name} accepts new visitors again")
    later = ana.get_repeatedly("/perfil", 30)
    assert {answer.status for answer in later} == {200}, summary(later)
    assert {answer.backend for answer in later} == {answer.backend for answer in away}


def test_a_draining_backend_serves_only_existing_visitors(
    visit: Visits, lab: Lab, genuine: dict[str, str], draining: list[str], welcoming: list[str]
) -> None:
    """It can be stopped once its visitors have left."""
    if not draining:
        pytest.skip("nginx_draining is empty")
    for backend in draining:
        assert_stays(visit(everywhere(lab, genuine[backend], 10)), backend)
    assert set(shares(visit(everywhere(lab, "", 100)))) == set(welcoming)


@pytest.mark.disruptive
def test_a_failure_sends_no_visitor_to_a_draining_backend(
    visit: Visits, lab: Lab, genuine: dict[str, str], draining: list[str], welcoming: list[str]
) -> None:
    """Visitors who have to move go to a backend that is not draining."""
    if not draining or len(welcoming) < 2:
        pytest.skip("nginx_draining is empty, or leaves fewer than two backends")
    gone = lab[welcoming[0]]
    with gone.stopped(*reversed(gone.units)):
        answers = visit(everywhere(lab, genuine[gone.name], 20))
    assert {answer.status for answer in answers} == {401}
    assert {answer.backend for answer in answers} <= set(welcoming[1:])


def test_one_more_backend_moves_no_visitor(visit: Visits, lab: Lab, nginx: Any, genuine: dict[str, str]) -> None:
    """When a configured backend does not exist yet, cookies stay valid and the others serve its new visitors."""
    if not set(nginx["nginx_backends"]) - set(genuine):
        pytest.skip("nginx_backends lists only the lab's backends")
    for backend, cookie in genuine.items():
        assert_stays(visit(everywhere(lab, cookie, 10)), backend)
    answers = visit(everywhere(lab, "", 50))
    assert {answer.status for answer in answers} == {401}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]
