"""Fixtures of the tests on the running lab: its machines tier by tier, users at a browser, journals of what failed.

Everything expected is read from the inventory (LAB_INVENTORY names another one). `-m "not disruptive"` only looks;
`disruptive` tests stop and kill things and put them back; `provisioning` tests run Ansible on the machines; `reboot`
tests restart every machine, and come last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from lab.health import unhealthy
from lab.inventory import Inventory
from lab.logs import ACCESS_LOG, ERROR_LOG
from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Browser, logged_in, serves

ORDER = ("disruptive", "provisioning", "reboot")
"""Markers of the tests that come last, in this order. pyproject.toml describes all markers."""

WAYS = {"rotation": "none", "route_cookie": "route_cookie"}
"""Markers of what one way of balancing promises alone; without one, a test holds for every `nginx_persistence`."""

EVERYWHERE = {"any_machine": "all", "any_server": "all"}
"""Fixtures for every machine, and for every one with units of ours. Each tier's `machine` is a fixture as well: a test
that takes one runs once for each machine of the group."""

LAB = pytest.StashKey[Lab]()
STARTED = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extra-vars",
        metavar="FILE",
        help="variables that win over the inventory's: what ansible-playbook was given as --extra-vars=@FILE",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LAB] = Lab(Inventory.load(overrides=extra_vars(config.getoption("extra_vars"))))


def extra_vars(path: str | None) -> dict[str, Any]:
    return dict(DataLoader().load_from_file(str(Path(path).resolve()), trusted_as_template=True)) if path else {}


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
    """What the way of balancing does not promise is left out.

    What breaks things comes after what looks at them, and the reboot at the very end.
    """
    way = persistence(config.stash[LAB])
    others = [name for name, value in WAYS.items() if value != way]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in others)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: [bool(item.get_closest_marker(name)) for name in reversed(ORDER)])


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    return f"nginx_persistence is {persistence(config.stash[LAB])}: what the other way promises is left out"


def persistence(lab: Lab) -> str:
    return str(lab.tier("frontends")[0].role("nginx")["nginx_persistence"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[STARTED] = time.time()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure tells what the machines concerned wrote meanwhile."""
    outcome: Any = yield
    report = outcome.get_result()
    if call.when == "teardown" or not report.failed or STARTED not in item.stash:
        return
    since = item.stash[STARTED] - 1
    for box in _boxes_concerned(item):
        try:
            text = box.journal(*box.units, since=since)
            if "frontends" in box.tiers:
                text += box.root(f"tail -n 10 {ACCESS_LOG}; tail -n 5 {ERROR_LOG}").stdout
        except Exception as error:
            text = f"no journal: {error}"
        report.sections.append((f"journal of {box.name} ({', '.join(box.units)})", text or "nothing"))


def _boxes_concerned(item: pytest.Item) -> list[Box]:
    """The machines that a test took; all that a request passes where it took a browser."""
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
    """One message, at once, instead of hundreds of tests that each wait for a connection."""
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
    """The computer of a user."""
    clients = lab.tier("clients")
    if not clients:
        pytest.skip("the inventory has no client to ask from")
    return clients[0]


@pytest.fixture(scope="session")
def app(lab: Lab) -> Any:
    """The settings of the app, defaults of its role included."""
    return lab.tier("backends")[0].role("app")


@pytest.fixture(scope="session")
def nginx(lab: Lab) -> Any:
    """The settings of the frontends, defaults of their role included."""
    return lab.tier("frontends")[0].role("nginx")


@pytest.fixture(scope="session")
def demo_users(app: Any) -> list[dict[str, str]]:
    users = list(app["app_demo_users"])
    if len(users) < 2:
        pytest.skip("the inventory has no two demo users to log in as")
    return users


@pytest.fixture(scope="session")
def new_browser(lab: Lab, client: Box, app: Any) -> Iterator[Callable[[], Browser]]:
    """Makes browsers, each with an empty cookie jar."""
    yield lambda: Browser(client, lab.site_url, str(app["app_cookie_name"]))
    Browser.close_all(client)


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """Somebody who is not logged in."""
    return new_browser()


@pytest.fixture
def ana(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Browser:
    """The first demo user, logged in."""
    return logged_in(new_browser(), demo_users[0])


@pytest.fixture
def bruno(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Browser:
    """The second demo user, logged in at another browser."""
    return logged_in(new_browser(), demo_users[1])


@pytest.fixture(autouse=True)
def _left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a disruptive test did, the next one finds the whole system at work."""
    marked = request.node.get_closest_marker
    if not marked("disruptive") or marked("reboot"):
        yield
        return
    lab, asker = request.getfixturevalue("lab"), request.getfixturevalue("browser")
    yield
    lab.everywhere(lambda box: box.is_active(*box.units) or box.start(*box.units))
    wait_until(lambda: serves(asker, lab), "every frontend reaches every backend, and they reach Redis and MySQL", 60)
