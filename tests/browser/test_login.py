"""Logging in, seeing the profile, and logging out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visit import PHONE, Visit

New = Callable[..., Visit]


def test_a_wrong_password_shows_a_message_and_keeps_the_form(visit: New, ana: dict[str, str]) -> None:
    """The user can try again, with the name still filled in."""
    here = visit()
    here.expected.append("401")
    here.login(ana, "not-her-password")
    expect(here.page.locator("#message")).to_be_visible()
    expect(here.page.locator("#message")).not_to_be_empty()
    expect(here.page.locator("#login [name=usuario]")).to_have_value(ana["usuario"])
    expect(here.page.locator("#profile")).to_be_hidden()


def test_the_profile_is_shown_after_the_login(visit: New, ana: dict[str, str]) -> None:
    """It shows the user and the session."""
    here = visit().logged_in(ana)
    expect(here.field("nome")).to_have_text(ana["nome"])
    expect(here.field("email")).to_have_text(ana["email"])
    for name in ("sessao", "criada_em", "expira_em", "servidor"):
        expect(here.field(name)).not_to_be_empty()
    here.shoot("profile", whole=True)


def test_a_reload_finds_the_user_still_logged_in(visit: New, ana: dict[str, str]) -> None:
    """F5 is what everyone tries first."""
    here = visit().logged_in(ana)
    sessao = here.field("sessao").inner_text()
    here.page.reload()
    expect(here.field("usuario")).to_have_text(ana["usuario"])
    assert here.field("sessao").inner_text() == sessao


def test_a_logout_here_is_a_logout_everywhere(visit: New, ana: dict[str, str]) -> None:
    """A second window with the same cookie shows the form after its next request."""
    here = visit().logged_in(ana)
    other = visit(storage_state=here.cookies()).as_returning()
    other.expected.append("401")
    expect(other.field("usuario")).to_have_text(ana["usuario"])
    here.logout()
    other.page.locator("#ask").click()
    expect(other.page.locator("#welcome")).to_be_visible()
    expect(other.page.locator("#profile")).to_be_hidden()


def test_it_works_without_javascript(visit: New, ana: dict[str, str]) -> None:
    """Login, profile and logout also work as plain forms."""
    here = visit(java_script_enabled=False)
    here.login(ana)
    expect(here.page.get_by_role("heading", name=ana["nome"])).to_be_visible()
    expect(here.page.get_by_text(ana["email"])).to_be_visible()
    here.shoot("no-javascript")
    here.page.goto("/perfil")
    expect(here.page.get_by_role("heading", name=ana["nome"])).to_be_visible()
    here.page.get_by_role("button", name="Sair").click()
    expect(here.page.locator("#login")).to_be_visible()
    here.expected.append("401")
    here.page.goto("/perfil")
    expect(here.page.get_by_role("button", name="Entrar")).to_be_visible()


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_the_keyboard_is_enough(visit: New, ana: dict[str, str], viewport: dict[str, int] | None) -> None:
    """Logging in, sending a request and logging out work from the keyboard."""
    here = visit(**({"viewport": viewport} if viewport else {}))
    here.tab_to("#login [name=usuario]")
    here.page.keyboard.type(ana["usuario"])
    here.page.keyboard.press("Tab")
    here.page.keyboard.type(ana["senha"])
    here.page.keyboard.press("Enter")
    expect(here.field("usuario")).to_have_text(ana["usuario"])
    here.tab_to("#ask")
    here.page.keyboard.press("Enter")
    expect(here.listed().first).to_be_visible()
    here.tab_to("#logout button")
    here.page.keyboard.press("Enter")
    expect(here.page.locator("#welcome")).to_be_visible()


def test_english_by_the_browsers_language_or_by_the_switch(visit: New) -> None:
    """Users who do not read Portuguese can use the page."""
    here = visit(locale="en-GB")
    expect(here.page.locator("html")).to_have_attribute("lang", re.compile("^en"))
    expect(here.page.locator("#login button")).to_have_text("Log in")
    here.page.locator("[data-language=pt]").click()
    expect(here.page.locator("#login button")).to_have_text("Entrar")
    here.page.reload()
    expect(here.page.locator("#login button")).to_have_text("Entrar")
