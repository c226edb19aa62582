"""Appearance: light and dark, large and small, with and without a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.visit import DESKTOP, PHONE, Visit

New = Callable[..., Visit]

LOOKS: dict[str, dict[str, Any]] = {
    f"{scheme}-{name}": {"color_scheme": scheme, "viewport": size}
    for scheme in ("light", "dark")
    for name, size in {"desktop": DESKTOP, "phone": PHONE, "projector": {"width": 1920, "height": 1080}}.items()
}


def violations(here: Visit) -> list[str]:
    """The violations that axe finds, one line each."""
    # Injected by the debugger, because the page's content security policy allows no foreign scripts.
    found = Axe().run(here.page).response["violations"]
    return [f"{rule['id']}: {rule['help']} at {[node['target'] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_accessible(visit: New, ana: dict[str, str], look: str) -> None:
    """axe finds no violation, before the login and during the show."""
    here = visit(**LOOKS[look])
    assert violations(here) == []
    here.shoot(f"welcome-{look}")
    here.logged_in(ana)
    for _ in range(6):
        here.ask()
    here.page.mouse.move(0, 0)
    assert violations(here) == []
    here.shoot(f"show-{look}")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_is_wider_than_the_window(visit: New, ana: dict[str, str], width: int) -> None:
    """Nobody should have to scroll sideways."""
    here = visit(viewport={"width": width, "height": 800}).logged_in(ana)
    here.ask()
    within = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert here.page.evaluate(within)


def test_it_loads_nothing_from_other_sites(visit: New, ana: dict[str, str]) -> None:
    """No other site learns about a visit, and the lab needs no internet access."""
    here = visit().logged_in(ana)
    here.ask()
    assert {url.split("/")[2] for url in here.loaded} == {here.page.url.split("/")[2]}
