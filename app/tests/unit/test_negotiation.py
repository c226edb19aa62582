"""Pages for browsers, JSON for programs, in Portuguese or English."""

from typing import Any

import pytest

from revezamento.messages import LABELS, MESSAGES

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("image/png", "application/json"),
        ("text/html", "text/html"),
        (FIREFOX, "text/html"),
    ],
)
def test_an_error_comes_in_the_form_that_the_client_prefers(offline: Any, accept: str | None, mimetype: str) -> None:
    """A client without preferences gets JSON."""
    headers = {"Accept": accept} if accept else {}
    answer = offline.get("/nothing-here", headers=headers)
    assert (answer.status_code, answer.mimetype) == (404, mimetype)


@pytest.mark.parametrize(
    ("accept_language", "word"),
    [
        (None, "nada"),
        ("*", "nada"),
        ("de", "nada"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "nada"),
        ("en;q=0.5, pt;q=0.4", "nothing"),
        ("en", "nothing"),
        ("en-US,en;q=0.9", "nothing"),
        ("de, en;q=0.5", "nothing"),
    ],
)
def test_errors_are_portuguese_unless_english_is_preferred(
    offline: Any, accept_language: str | None, word: str
) -> None:
    """Portuguese is the default."""
    headers = {"Accept-Language": accept_language} if accept_language else {}
    assert word in offline.get("/nothing-here", headers=headers).json["erro"]


def test_a_page_declares_its_language(offline: Any) -> None:
    """Screen readers need it for the pronunciation."""
    for asked, shown in (("pt-BR", "pt-BR"), ("en", "en")):
        page = offline.get("/nothing-here", headers={"Accept": "text/html", "Accept-Language": asked})
        assert f'<html lang="{shown}">' in page.text


def test_every_text_has_both_languages() -> None:
    """A missing text would turn an error into a 500."""
    assert all(text.keys() == {"pt", "en"} for text in MESSAGES.values())
    assert LABELS["pt"].keys() == LABELS["en"].keys()
