"""Static pages and templates: they follow a strict content security policy and work without JavaScript."""

import gzip
import re
from pathlib import Path

import pytest

APP = Path(__file__).parents[2]
WEB = APP / "web"
PAGES = sorted([*WEB.glob("*.html"), *(APP / "revezamento" / "templates").glob("*.html")])
SHOWN = {"usuario", "nome", "email", "servidor", "sessao", "criada_em", "expira_em", "visitas"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page: Path) -> None:
    """The content security policy refuses both, and the lab has no other hosts."""
    text = page.read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"(src|href|action)=[\"']?(https?:)?//", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_a_page_exists(page: Path) -> None:
    """A wrong path would show only in the browser's console."""
    routes = {"/", "/login", "/logout", "/perfil", "/sessoes", "/sessoes/{{ session.sessao }}"}
    for path in re.findall(r"(?:src|href|action)=\"(/[^\"]*)\"", page.read_text()):
        assert path in routes or (WEB / path[1:]).is_file(), path


def test_the_first_page_logs_in_without_javascript() -> None:
    """The plain form has everything it needs."""
    text = (WEB / "index.html").read_text()
    assert '<form id="login" method="post" action="/login">' in text
    assert 'name="usuario"' in text
    assert 'name="senha" type="password"' in text


def test_the_first_page_shows_the_whole_profile() -> None:
    """Each field of the documented response."""
    shown = set(re.findall(r'data-field="(\w+)"', (WEB / "index.html").read_text()))
    assert shown == SHOWN


def test_all_of_it_is_small() -> None:
    """The page, its style, its scripts and its picture, as nginx sends them: less than one photograph."""
    assert sum(len(gzip.compress(file.read_bytes())) for file in WEB.rglob("*") if file.is_file()) < 30_000
