"""Persistence by a cookie: rendered frontends in front of stub backends, in the workbench."""

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
"""Six standard deviations of a share of one third."""

WEIGHTS = {"backend1": 50, "backend2": 25, "backend3": 25}


def backend_map(text: str) -> dict[str, str]:
    """The map from the cookie's value to its upstream group."""
    table = text.partition("map $cookie_route ")[2].partition("}")[0]
    return dict(re.findall(r"^\s*([0-9a-f]{16}) to_(\S+);$", table, re.MULTILINE))


def split(inventory: Inventory) -> list[str]:
    """The lines of `split_clients`: shares and upstream groups."""
    table = config(inventory).partition("split_clients ")[2].partition("}")[0]
    return re.findall(r"^\s*(\S+ \S+);$", table, re.MULTILINE)


@pytest.mark.parametrize("settings", [{}, {"nginx_draining": ["backend1"]}], ids=["all", "one draining"])
@pytest.mark.parametrize("backends", [1, 2, 3, 12])
def test_nginx_accepts_the_configuration(workbench: Workbench, backends: int, settings: dict[str, list[str]]) -> None:
    """The number of maps and groups depends on the number of backends."""
    inventory = load(backends, **(settings if backends > 1 else {}))
    written = files(inventory.machine("frontend1"), "nginx")
    for file in written:
        assert not (wrong := complaint(workbench, file, written)), wrong


def test_the_default_mode_has_no_route_cookie() -> None:
    """The lab's default mode has no cookie and one upstream group."""
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
    """These lines choose the backend of a new visitor."""
    assert split(load(backends, **settings)) == expected


def test_weights_and_draining_work_without_the_cookie() -> None:
    """The settings of the backends keep their meaning in both modes."""
    inventory = load(nginx_persistence="none", nginx_backend_weights=WEIGHTS, nginx_draining=["backend2"])
    upstream = config(inventory).partition("upstream backends {")[2].partition("}")[0]
    lines = [line.split("fail_timeout=2s")[1] for line in upstream.splitlines() if "server " in line]
    assert lines == [" weight=50; # backend1", " weight=25 backup; # backend2", " weight=25; # backend3"]


def test_every_frontend_maps_the_cookie_to_the_same_backend() -> None:
    """A visitor's next request may go to another frontend."""
    inventory = load()
    first, *others = [backend_map(config(inventory, name)) for name in inventory.groups["frontends"]]
    assert first == {digest(SECRETS["secret_route"], name): name for name in inventory.groups["backends"]}
    assert others == [first] * len(others)


def test_an_additional_backend_changes_no_cookie() -> None:
    """Existing cookies stay valid; only new visitors go to the new backend."""
    three, four = backend_map(config(load(3))), backend_map(config(load(4)))
    assert three.items() < four.items()
    assert set(four.values()) - set(three.values()) == {"backend4"}


def test_cookies_depend_on_the_key() -> None:
    """Without the key, a cookie does not reveal its backend."""
    other = load(secret_route="another-key-of-some-length")
    assert not set(backend_map(config(load()))) & set(backend_map(config(other)))


def test_cookies_by_the_key_before_stay_valid_and_are_replaced() -> None:
    """A visitor stays on the backend while the key is replaced."""
    former = "a-key-from-before"
    inventory = load(previous_secrets={"route": former})
    names = inventory.groups["backends"]
    valid = {digest(key, name): name for key in (SECRETS["secret_route"], former) for name in names}
    assert backend_map(config(inventory)) == valid
    given = config(inventory).partition("map $route_last_asked ")[2].partition("}")[0]
    assert [digest(SECRETS["secret_route"], name) in given for name in names] == [True] * len(names)
    assert not [name for name in names if digest(former, name) in given]


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_secure_if_the_session_cookie_is(secure: bool) -> None:
    """One setting controls both: browsers do not send Secure cookies over plain HTTP."""
    line = next(line for line in config(load(app_cookie_secure=secure)).splitlines() if "HttpOnly" in line)
    assert line.endswith('; Path=/; HttpOnly; SameSite=Lax; Secure";' if secure else 'HttpOnly; SameSite=Lax";')


@pytest.fixture(scope="module")
def running() -> Iterator[Relay]:
    """Three frontends in front of three backends."""
    with Workbench() as bench:
        yield Relay(bench, load())


@pytest.fixture
def relay(running: Relay) -> Relay:
    """The running relay, restored to its initial state."""
    stopped = set(running.backends) - set(running.running)
    running.configure(load())
    if stopped:
        running.wait_for_all()
    return running


def cookies(relay: Relay) -> dict[str, str]:
    """Each backend's cookie, by the backend's name."""
    return {answer.backend: answer.route for answer in relay.first_visits(100) if answer.route}


def assert_stays(answers: Sequence[Answer], backend: str) -> None:
    """The backend is the same, and the cookie is not set again."""
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(200, backend, "")}


@pytest.mark.parametrize("weights", [{}, WEIGHTS], ids=["equal", "50/25/25"])
def test_first_visits_are_spread_by_weight(relay: Relay, weights: dict[str, int]) -> None:
    """One client sends its requests as fast as possible."""
    relay.configure(load(nginx_backend_weights=weights))
    answers = relay.first_visits(FIRST_VISITS)
    found = shares(answers)
    expected: Mapping[str, float] = weights or {name: 100 / len(relay.backends) for name in relay.backends}
    print(f"{FIRST_VISITS} first visits: {found}")
    assert {answer.status for answer in answers} == {200}
    assert {name: pytest.approx(share, abs=SPREAD_POINTS) for name, share in expected.items()} == found


def test_a_cookie_is_honoured_by_every_frontend(relay: Relay) -> None:
    """A hundred requests to alternating frontends reach the same backend."""
    for backend, cookie in cookies(relay).items():
        requests = [Visit(address, cookie) for address in relay.frontends.values()]
        assert_stays(relay.visit(requests * 33), backend)


def test_the_cookie_does_not_reveal_the_backend(relay: Relay) -> None:
    """The number and the names of the backends are not public."""
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


def test_a_forged_cookie_is_ignored(relay: Relay) -> None:
    """It counts as a first visit and is replaced. Names and addresses of backends do not select them."""
    genuine = cookies(relay)
    values = [value.format(genuine["backend1"]) for value in FORGED]
    answers = relay.visit([Visit(address, value) for value in values * 3 for address in relay.frontends.values()])
    assert {answer.status for answer in answers} == {200}
    assert [answer.route for answer in answers] == [genuine[answer.backend] for answer in answers]
    assert {answer.backend for answer in answers} == set(relay.backends)


def test_visitors_of_a_stopped_backend_move_without_an_error(relay: Relay) -> None:
    """The cookie changes to the backend that answered, and does not change back later."""
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


def test_a_visitor_who_missed_the_outage_stays(relay: Relay) -> None:
    """Without a request during the outage, the cookie still names the old backend."""
    genuine = cookies(relay)
    relay.stop("backend1")
    assert "backend1" not in shares(relay.everywhere(""))
    relay.start("backend1")
    relay.wait_for_all()
    assert_stays(relay.everywhere(genuine["backend1"]), "backend1")


def test_an_error_does_not_change_the_cookie(relay: Relay) -> None:
    """Neither is a backend set on an error, nor an existing one replaced."""
    assert {answer.set_cookie for answer in relay.everywhere("", path="/perfil?fail")} == {""}
    for cookie in cookies(relay).values():
        assert {answer.set_cookie for answer in relay.everywhere(cookie, path="/perfil?fail")} == {""}


def test_the_cookie_stays_if_no_backend_answers(relay: Relay) -> None:
    """nginx answers 503. Afterwards, visitors return to their backends."""
    genuine = cookies(relay)
    relay.stop(*relay.backends)
    answers = relay.everywhere(genuine["backend1"]) + relay.everywhere("") + relay.everywhere("forged")
    assert {(answer.status, answer.backend, answer.set_cookie) for answer in answers} == {(503, "", "")}


def test_static_pages_set_no_cookie(relay: Relay) -> None:
    """They do not depend on the backend, and shared caches may store them."""
    assert {answer.set_cookie for answer in relay.everywhere("", path="/")} == {""}


def test_a_fourth_backend_only_gets_new_visitors(relay: Relay) -> None:
    """Existing cookies keep their backends; a share of the new visitors goes to the new one."""
    genuine = cookies(relay)
    relay.configure(load(4))
    for backend, cookie in genuine.items():
        assert_stays(relay.everywhere(cookie) * 5, backend)
    assert shares(relay.first_visits(400))["backend4"] == pytest.approx(25, abs=12)


def test_a_draining_backend_only_serves_its_visitors(relay: Relay) -> None:
    """It gets no first visits, and no visitors of a failed backend."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    assert_stays(relay.everywhere(genuine["backend2"]) * 5, "backend2")
    assert set(shares(relay.first_visits(300))) == {"backend1", "backend3"}
    relay.stop("backend1")
    moved = relay.visit([Visit(address, genuine["backend1"]) for address in relay.frontends.values()] * 20)
    assert Counter((answer.status, answer.backend) for answer in moved) == {(200, "backend3"): len(moved)}


def test_a_draining_backend_is_the_last_resort(relay: Relay) -> None:
    """If all others fail, it answers every request, but sets no cookie."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    relay.stop("backend1", "backend3")
    assert_stays(relay.everywhere("") + relay.everywhere(genuine["backend3"]), "backend2")


def test_visitors_of_a_stopped_draining_backend_move(relay: Relay) -> None:
    """The remaining visitors go to another backend and stay there."""
    genuine = cookies(relay)
    relay.configure(load(nginx_draining=["backend2"]))
    relay.stop("backend2")
    for answer in relay.everywhere(genuine["backend2"]):
        assert (answer.status, answer.route) == (200, genuine[answer.backend])
        assert_stays(relay.everywhere(answer.route), answer.backend)
