"""Persistence by a cookie: the frontends as they are rendered, at work in the workbench before simple backends."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from lab.inventory import Inventory
from tests.templates.checkers import complaint
from tests.templates.relay import Relay, config, load
from tests.templates.rendered import SECRETS, files, text
from tests.visitors import Answer, Visit, digest, shares
from tests.workbench import Workbench

FIRST_VISITS = 3000
SPREAD_POINTS = 5
"""Six times what chance alone does to the share of one in three."""

WEIGHTS = {"backend1": 50, "backend2": 25, "backend3": 25}


def told(text: str) -> dict[str, str]:
    """The map from the cookie's value to the group that it stands for."""
    table = text.partition("map $cookie_route ")[2].partition("}")[0]
    return dict(re.findall(r"^\s*([0-9a-f]{16}) to_(\S+);$", table, re.MULTILINE))


def split(inventory: Inventory) -> list[str]:
    """The lines of the shares."""
    table = config(inventory).partition("split_clients ")[2].partition("}")[0]
    return re.findall(r"^\s*(\S+ \S+);$", table, re.MULTILINE)


@pytest.mark.parametrize("settings", [{}, {"nginx_draining": ["backend1"]}], ids=["all", "one drains"])
@pytest.mark.parametrize("backends", [1, 2, 3, 12])
def test_nginx_accepts_it(workbench: Workbench, backends: int, settings: dict[str, list[str]]) -> None:
    """As many maps and groups as there are backends."""
    inventory = load(backends, **(settings if backends > 1 else {}))
    written = files(inventory.machine("frontend1"), "nginx")
    for file in written:
        assert not (wrong := complaint(workbench, file, written)), wrong


def test_without_it_nothing_of_it_is_there() -> None:
    """The lab's own way of balancing is as it was: no cookie, one group of backends."""
    config = text("nginx", "nginx.conf.j2")
    assert "route" not in config
    assert len(re.findall(r"^ *upstream ", config, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("backends", "settings", "expected"),
    [
        (1, {}, ["* to_backend1"]),
        (3, {}, ["33.33% to_backend1", "33.33% to_backend2", "* to_backend3"]),
        (3, {"nginx_backend_weights": WEIGHTS}, ["50.00% to_backend1", "25.00% to_backend2", "* to_backend3"]),
        (3, {"nginx_draining": ["backend3"]}, ["50.00% to_backend1", "* to_backend2"]),
        (
            3,
            {"nginx_backend_weights": WEIGHTS, "nginx_draining": ["backend2"]},
            ["66.66% to_backend1", "* to_backend3"],
        ),
    ],
)
def test_shares_follow_the_weights(backends: int, settings: dict[str, object], expected: list[str]) -> None:
    """A new visitor goes by these lines."""
    assert split(load(backends, **settings)) == expected


def test_weights_and_draining_are_for_the_other_way_too() -> None:
    """Who changes the way keeps what was said of the backends."""
    inventory = load(nginx_persistence="none", nginx_backend_weights=WEIGHTS, nginx_draining=["backend2"])
    upstream = config(inventory).partition("upstream backends {")[2].partition("}")[0]
    lines = [line.split("fail_timeout=2s")[1] for line in upstream.splitlines() if "server " in line]
    assert lines == [" weight=50; # backend1", " weight=25 backup; # backend2", " weight=25; # backend3"]


def test_every_frontend_reads_the_cookie_alike() -> None:
    """A visitor comes back by another frontend: DNS says which."""
    inventory = load()
    first, *others = [told(config(inventory, name)) for name in inventory.groups["frontends"]]
    assert first == {digest(SECRETS["secret_route"], name): name for name in inventory.groups["backends"]}
    assert others == [first] * len(others)


def test_one_backend_more_changes_no_cookie() -> None:
    """What is known keeps its meaning; only new visitors can come to the new one."""
    three, four = told(config(load(3))), told(config(load(4)))
    assert three.items() < four.items()
    assert set(four.values()) - set(three.values()) == {"backend4"}


def test_another_key_makes_other_cookies() -> None:
    """Without the key nobody can tell which backend a cookie stands for."""
    other = load(secret_route="another-key-of-some-length")
    assert not set(told(config(load()))) & set(told(config(other)))


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_secure_where_the_sessions_cookie_is(secure: bool) -> None:
    """One setting for both: a browser sends no Secure cookie over plain HTTP."""
    line = next(line for line in config(load(app_cookie_secure=secure)).splitlines() if "HttpOnly" in line)
    assert line.endswith('; Path=/; HttpOnly; SameSite=Lax; Secure";' if secure else 'HttpOnly; SameSite=Lax";')


@pytest.fixture(scope="module")
def running() -> Iterator[Relay]:
    """Three frontends before three backends."""
    with Workbench() as bench:
        yield Relay(bench, load())


@pytest.fixture
def relay(running: Relay) -> Relay:
    """As it was in the beginning, whatever the last test did."""
    stopped = set(running.backends) - set(running.running)
    running.configure(load())
    if stopped:
        running.wait_for_all()
    return running


def cookies(relay: Relay) -> dict[str, str]:
    """A cookie of each backend's, by the backend's name."""
    return {answer.backend: answer.route for answer in relay.first_visits(100) if answer.route}


def assert_stays(answers: Sequence[Answer], backend: str) -> None:
    """The same backend, and nothing said about it."""
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(200, backend, "")}


@pytest.mark.parametrize("weights", [{}, WEIGHTS], ids=["equal", "50/25/25"])
def test_first_visits_are_spread_by_the_weights(relay: Relay, weights: dict[str, int]) -> None:
    """Visits of one client, as fast as they come."""
    relay.configure(load(nginx_backend_weights=weights))
    answers = relay.first_visits(FIRST_VISITS)
    found = shares(answers)
    expected: Mapping[str, float] = weights or {name: 100 / len(relay.backends) for name in relay.backends}
    print(f"{FIRST_VISITS} first visits: {found}")
    assert {answer.status for answer in answers} == {200}
    assert {name: pytest.approx(share, abs=SPREAD_POINTS) for name, share in expected.items()} == found


def test_a_cookie_is_honoured_by_every_frontend(relay: Relay) -> None:
    """A hundred visits, each at another frontend than the last: all at the backend of the first."""
    for backend, cookie in cookies(relay).items():
        asked = [Visit(address, cookie) for address in relay.frontends.values()]
        assert_stays(relay.visit(asked * 33), backend)


def test_the_cookie_tells_no_name(relay: Relay) -> None:
    """How many backends there are, and what they are called, is nobody's business."""
    for answer in relay.first_visits(30):
        value, *flags = answer.set_cookie.split("; ")
        assert re.fullmatch(r"route=[0-9a-f]{16}", value)
        assert flags == ["Path=/", "HttpOnly", "SameSite=Lax"]


FORGED = (
    "backend1",
    "to_backend1",
    "172.20.0.10:8000",
    "0123456789abcdef",
    "a b",
    "x {0}",
    "{0} {0}",
    "{0}{0}",
    "$host",
)


def test_a_forged_value_is_no_cookie(relay: Relay) -> None:
    """It is served as a first visit is, and replaced. Names and addresses of backends open no way to them."""
    genuine = cookies(relay)
    values = [value.format(genuine["backend1"]) for value in FORGED]
    answers = relay.visit([Visit(address, value) for value in values * 3 for address in relay.frontends.values()])
    assert {answer.status for answer in answers} == {200}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]
    assert {answer.backend for answer in answers} == set(relay.backends)


def test_a_stopped_backend_costs_no_request_and_its_visitors_move_on(relay: Relay) -> None:
    """The cookie goes with the baton, to whoever answered; when the old one is back, nobody is moved again."""
    genuine = cookies(relay)
    relay.stop("backend1")
    moved = relay.visit([Visit(address, genuine["backend1"]) for address in relay.frontends.values()] * 20)
    others = relay.everywhere(genuine["backend2"])
    new = relay.first_visits(300)
    assert {answer.status for answer in moved + new} == {200}
    assert {answer.backend for answer in moved} == {answer.backend for answer in new} == {"backend2", "backend3"}
    assert all(answer.route == genuine[answer.backend] for answer in moved + new)
    assert_stays(others, "backend2")

    relay.start("backend1")
    relay.wait_for_all()
    for answer in moved[:3]:
        assert_stays(relay.everywhere(answer.route), answer.backend)


def test_who_came_back_before_being_told_is_still_at_home(relay: Relay) -> None:
    """A visitor who was away meanwhile finds the old backend."""
    genuine = cookies(relay)
    relay.stop("backend1")
    assert "backend1" not in shares(relay.everywhere(""))
    relay.start("backend1")
    relay.wait_for_all()
    assert_stays(relay.everywhere(genuine["backend1"]), "backend1")


def test_an_error_moves_nobody(relay: Relay) -> None:
    """It is no place to stay, and no reason to lose one."""
    assert {answer.set_cookie for answer in relay.everywhere("", path="/perfil?fail")} == {""}
    for cookie in cookies(relay).values():
        assert {answer.set_cookie for answer in relay.everywhere(cookie, path="/perfil?fail")} == {""}


def test_when_nobody_answers_the_cookie_is_left_alone(relay: Relay) -> None:
    """503 by nginx itself; whoever is back first, the visitor's own place is still known."""
    genuine = cookies(relay)
    relay.stop(*relay.backends)
    answers = relay.everywhere(genuine["backend1"]) + relay.everywhere("") + relay.everywhere("forged")
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(503, "", "")}


def test_static_pages_set_no_cookie(relay: Relay) -> None:
    """They are the same from everywhere, and may be kept by others."""
    assert {answer.set_cookie for answer in relay.everywhere("", path="/")} == {""}


def test_a_fourth_backend_moves_nobody(relay: Relay) -> None:
    """Every cookie from before stays where it was; new visitors come to the new one as well."""
    genuine = cookies(relay)
    relay.configure(load(4))
    for backend, cookie in genuine.items():
        assert_stays(relay.everywhere(cookie) * 5, backend)
    assert shares(relay.first_visits(400))["backend4"] == pytest.approx(25, abs=12)


def test_a_draining_backend_serves_its_own_and_takes_nobody_new(relay: Relay) -> None:
    """Not by a first visit, and not by the failure of another either."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    assert_stays(relay.everywhere(genuine["backend2"]) * 5, "backend2")
    assert set(shares(relay.first_visits(300))) == {"backend1", "backend3"}
    relay.stop("backend1")
    moved = relay.visit([Visit(address, genuine["backend1"]) for address in relay.frontends.values()] * 20)
    assert Counter((answer.status, answer.backend) for answer in moved) == {(200, "backend3"): len(moved)}


def test_a_draining_backend_is_better_than_none(relay: Relay) -> None:
    """All others are gone: it serves everybody, and still promises nothing."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    relay.stop("backend1", "backend3")
    assert_stays(relay.everywhere("") + relay.everywhere(genuine["backend3"]), "backend2")


def test_the_end_of_a_draining_backend_moves_its_visitors(relay: Relay) -> None:
    """What draining is for: in the end those who are left go to another, and stay there."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    relay.stop("backend2")
    for answer in relay.everywhere(genuine["backend2"]):
        assert (answer.status, answer.route) == (200, genuine[answer.backend])
        assert_stays(relay.everywhere(answer.route), answer.backend)
