"""The list of a user's sessions, and its buttons."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.test_looks import LOOKS, violations
from tests.browser.visit import PHONE, Visit

New = Callable[..., Visit]


def fingerprint(here: Visit) -> str:
    return here.field("sessao").inner_text()


def test_the_list_shows_where_each_session_was_started(visit: New, ana: dict[str, str]) -> None:
    """This one and another one, with the program, the address and the times."""
    here, other = visit().logged_in(ana), visit().logged_in(ana)
    here.see_sessions()
    expect(here.own_session()).to_contain_text(fingerprint(here))
    for one in (here.own_session(), here.session(fingerprint(other))):
        expect(one).to_contain_text("Chrome, Linux")
        expect(one).to_contain_text("criada em")
    expect(here.own_session().get_by_role("button")).to_have_count(0)
    here.shoot("sessions", whole=True)


def test_another_session_is_ended_by_its_button(visit: New, ana: dict[str, str]) -> None:
    """It disappears from the list, and its browser shows the form after the next request."""
    here, other = visit().logged_in(ana), visit().logged_in(ana)
    name = fingerprint(other)
    here.see_sessions()
    here.page.get_by_role("button", name=f"Encerrar {name}").click()
    expect(here.page.locator("#message")).to_contain_text(name)
    expect(here.session(name)).to_have_count(0)
    expect(here.page.locator("#sessions summary")).to_be_focused()
    other.expected.append("401")
    other.page.locator("#ask").click()
    expect(other.page.locator("#welcome")).to_be_visible()
    assert here.ask().status == "200"


def test_all_sessions_are_ended_by_one_button(visit: New, ana: dict[str, str]) -> None:
    """This one, too. Whoever logs in next sees nothing of them."""
    here, other = visit().logged_in(ana), visit().logged_in(ana)
    here.see_sessions()
    here.page.get_by_role("button", name="Sair de todas as sessões").click()
    expect(here.page.locator("#welcome")).to_be_visible()
    expect(here.page.locator("#message")).to_contain_text("Todas as suas sessões")
    other.expected.append("401")
    other.page.locator("#ask").click()
    expect(other.page.locator("#welcome")).to_be_visible()
    here.logged_in(ana)
    expect(here.page.locator("#sessions li")).to_have_count(0)
    here.see_sessions()
    expect(here.page.locator("#sessions li")).to_have_count(1)


def test_the_list_speaks_the_language_of_the_page(visit: New, ana: dict[str, str]) -> None:
    """Also after it was drawn."""
    here = visit().logged_in(ana)
    here.see_sessions()
    here.page.locator("[data-language=en]").click()
    expect(here.page.locator("#sessions summary")).to_have_text("Your sessions")
    expect(here.own_session()).to_contain_text("this session")


def test_the_sessions_are_ended_without_javascript(visit: New, ana: dict[str, str]) -> None:
    """The profile leads to a page of forms."""
    here = visit(java_script_enabled=False)
    here.login(ana)
    other = visit().logged_in(ana)
    name = fingerprint(other)
    here.page.get_by_role("link", name="Suas sessões").click()
    here.page.get_by_role("button", name=f"Encerrar {name}").click()
    expect(here.page.get_by_role("heading", name="Suas sessões")).to_be_visible()
    expect(here.page.get_by_text(name)).to_have_count(0)
    here.shoot("sessions-no-javascript", whole=True)
    here.page.get_by_role("button", name="Sair de todas as sessões").click()
    expect(here.page.locator("#login")).to_be_visible()


@pytest.mark.parametrize("look", ["light-desktop", "dark-phone"])
def test_the_list_is_accessible(visit: New, ana: dict[str, str], look: str) -> None:
    """axe finds no violation, and the keyboard is enough."""
    here = visit(**LOOKS[look]).logged_in(ana)
    visit().logged_in(ana)
    here.tab_to("#sessions summary")
    here.page.keyboard.press("Enter")
    expect(here.own_session()).to_be_visible()
    assert violations(here) == []
    here.tab_to("#sessions li button")
    here.page.keyboard.press("Enter")
    expect(here.page.locator("#message")).to_be_visible()
    here.shoot(f"sessions-{look}")


def test_nothing_in_the_list_is_wider_than_a_phone(visit: New, ana: dict[str, str]) -> None:
    """Nobody should have to scroll sideways."""
    here = visit(viewport=PHONE).logged_in(ana)
    here.see_sessions()
    within = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert here.page.evaluate(within)
