"""Visits of a real browser to the running lab. Screenshots are kept in .lab/screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from lab.inventory import Inventory
from lab.machines import Box, Lab
from tests.browser.chromium import chromium
from tests.browser.visit import Visit
from tests.extra_vars import extra_vars


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Iterator[Lab]:
    lab = Lab(Inventory.load(overrides=extra_vars(pytestconfig)))
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def client(lab: Lab) -> Box:
    """A user's computer, whose only resolver is the lab's."""
    return lab.tier("clients")[0]


@pytest.fixture(scope="session")
def browser(client: Box) -> Iterator[Browser]:
    with chromium(client) as browser:
        yield browser


@pytest.fixture(scope="session")
def ana(lab: Lab) -> dict[str, str]:
    """The first demo user."""
    return dict(lab.tier("backends")[0].role("app")["app_demo_users"][0])


@pytest.fixture(scope="session")
def pictures(lab: Lab) -> Path:
    folder = Path(str(lab["client"].vars["lab_state_dir"])) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(browser: Browser, lab: Lab, pictures: Path) -> Iterator[Callable[..., Visit]]:
    """Opens the page as a new visitor; takes Playwright's context options. The console must stay empty."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        visits.append(Visit.begin(browser, lab.site_url, pictures, **options))
        return visits[-1]

    yield begin
    messages = [message for visit in visits for message in visit.console()]
    for visit in visits:
        visit.page.context.close()
    assert messages == []
