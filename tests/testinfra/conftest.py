"""Fixtures for the tests of the running lab: machines by tier, browsers, and journals in failure reports.

Expected values come from the inventory, which LAB_INVENTORY can replace. `-m "not disruptive"` selects the read-only
tests. `disruptive` tests stop or kill services and restore them, `provisioning` tests run Ansible on the machines, and
`reboot` tests restart every machine. On servers that are not a lab's, only read-only tests run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.health import unhealthy
from lab.inventory import Inventory
from lab.logs import ACCESS_LOG, ERROR_LOG
from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.extra_vars import extra_vars
from tests.testinfra.browser import Browser, logged_in, serves

ORDER = ("disruptive", "provisioning", "reboot")
"""Markers of the tests that run last, in this order. pyproject.toml describes all markers."""

PERSISTENCE_MARKERS = {"rotation": "none", "route_cookie": "route_cookie"}
"""Markers of tests that apply to a single `nginx_persistence` mode. Unmarked tests apply to every mode."""

EVERYWHERE = {"any_machine": "all", "any_server": "all"}
"""Fixtures for every machine, and for every machine that runs a tier's units. Each tier's `machine` is a fixture as
well. A test that uses one of them runs once for each machine in the group."""

LAB = pytest.StashKey[Lab]()
STARTED = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LAB] = Lab(Inventory.load(overrides=extra_vars(config)))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[LAB].close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    lab = metafunc.config.stash[LAB]
    tiers = {tier["machine"]: group for group, tier in lab.tiers.items() if tier["machine"] != "client"}
    for fixture, group in (EVERYWHERE | tiers).items():
        if fixture in metafunc.fixturenames:
            names = [box.name for box in lab.tier(group) if box.units or fixture != "any_server"]
            metafunc.parametrize(fixture, names, indirect=True, scope="module")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests for other persistence modes, and those of TLS where there is none.

    Disruptive tests run after read-only ones, and reboot tests last.
    """
    lab = config.stash[LAB]
    mode = persistence(lab)
    others = [name for name, value in PERSISTENCE_MARKERS.items() if value != mode]
    others += [] if lab.is_for_breaking else ORDER
    others += [] if lab.vars["site_is_https"] else ["tls"]
    others += [] if lab.vars["machine_tls_is_on"] else ["machine_tls"]
    others += [] if lab.vars["nginx_tls"] == "acme" else ["acme"]
    deselected = [item for item in items if any(item.get_closest_marker(name) for name in others)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]
    items.sort(key=lambda item: [bool(item.get_closest_marker(name)) for name in reversed(ORDER)])


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    lab = config.stash[LAB]
    modes = f"nginx_persistence is {persistence(lab)}, nginx_tls is {lab.vars['nginx_tls'] or 'off'}"
    modes += f", machine_tls is {'on' if lab.vars['machine_tls_is_on'] else 'off'}"
    breaking = "" if lab.is_for_breaking else "; these servers are not a lab's: tests that would stop anything, too"
    return f"{modes}: tests for other modes are deselected{breaking}"


def persistence(lab: Lab) -> str:
    return str(lab.tier("frontends")[0].role("nginx")["nginx_persistence"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[STARTED] = time.time()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the journals of the machines under test to the report of a failed test."""
    outcome: Any = yield
    report = outcome.get_result()
    if call.when == "teardown" or not report.failed or STARTED not in item.stash:
        return
    since = item.stash[STARTED] - 1
    for box in _boxes_under_test(item):
        try:
            text = box.journal(*box.units, since=since)
            if "frontends" in box.tiers:
                text += box.root(f"tail -n 10 {ACCESS_LOG}; tail -n 5 {ERROR_LOG}").stdout
        except Exception as error:
            text = f"no journal: {error}"
        report.sections.append((f"journal of {box.name} ({', '.join(box.units)})", text or "nothing"))


def _boxes_under_test(item: pytest.Item) -> list[Box]:
    """The machines among a test's fixtures; every frontend and backend if it only uses a browser."""
    values = list(getattr(item, "funcargs", {}).values())
    boxes = [value for value in values if isinstance(value, Box) and value.units]
    if not boxes and any(isinstance(value, Browser) for value in values):
        boxes = [box for box in item.config.stash[LAB] if {"frontends", "backends"} & set(box.tiers)]
    return boxes


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    return pytestconfig.stash[LAB]


@pytest.fixture(scope="session", autouse=True)
def _every_machine_is_healthy(lab: Lab) -> None:
    """Fail at once with one message, instead of letting every test wait for a connection."""
    if problems := unhealthy(lab):
        lines = "\n".join(f"  {name}: {problem}" for name, problem in problems.items())
        pytest.fail(
            f"These machines are not healthy:\n{lines}\nNext: make status; make up, or vagrant up", pytrace=False
        )


@pytest.fixture(scope="module")
def any_machine(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def any_server(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def nameserver(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def frontend(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def backend(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def redis(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="module")
def mysql(lab: Lab, request: pytest.FixtureRequest) -> Box:
    return lab[request.param]


@pytest.fixture(scope="session")
def client(lab: Lab) -> Box:
    """A user's computer."""
    clients = lab.tier("clients")
    if not clients:
        pytest.skip("the inventory has no client machine")
    return clients[0]


@pytest.fixture(scope="session")
def app(lab: Lab) -> Any:
    """The app's settings, including its role's defaults."""
    return lab.tier("backends")[0].role("app")


@pytest.fixture(scope="session")
def nginx(lab: Lab) -> Any:
    """The frontends' settings, including their role's defaults."""
    return lab.tier("frontends")[0].role("nginx")


@pytest.fixture(scope="session")
def demo_users(app: Any) -> list[dict[str, str]]:
    users = list(app["app_demo_users"])
    if len(users) < 2:
        pytest.skip("the inventory has fewer than two demo users")
    return users


@pytest.fixture(scope="session")
def new_browser(lab: Lab, client: Box, app: Any) -> Iterator[Callable[[], Browser]]:
    """Create browsers, each with an empty cookie jar."""
    yield lambda: Browser(client, lab.site_url, str(app["app_cookie_name"]))
    Browser.close_all(client)


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """A browser that is not logged in."""
    return new_browser()


@pytest.fixture
def ana(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Browser:
    """The first demo user, logged in."""
    return logged_in(new_browser(), demo_users[0])


@pytest.fixture
def bruno(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Browser:
    """The second demo user, logged in with another browser."""
    return logged_in(new_browser(), demo_users[1])


@pytest.fixture(autouse=True)
def _restored(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start stopped units after a disruptive test, and wait until the whole system works."""
    marked = request.node.get_closest_marker
    if not marked("disruptive") or marked("reboot"):
        yield
        return
    lab, browser = request.getfixturevalue("lab"), request.getfixturevalue("browser")
    yield
    lab.everywhere(lambda box: box.is_active(*box.units) or box.start(*box.units))
    wait_until(lambda: serves(browser, lab), "every frontend reaches every backend, and they reach Redis and MySQL", 60)
