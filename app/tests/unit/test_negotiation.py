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
def test_an_error_comes_in_the_form_that_the_client_prefers(lonely: Any, accept: str | None, mimetype: str) -> None:
    """A program that says nothing is a program."""
    headers = {"Accept": accept} if accept else {}
    answer = lonely.get("/nothing-here", headers=headers)
    assert (answer.status_code, answer.mimetype) == (404, mimetype)


@pytest.mark.parametrize(
    ("accept_language", "word"),
    [
        (None, "Nada"),
        ("*", "Nada"),
        ("de", "Nada"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "Nada"),
        ("en;q=0.5, pt;q=0.4", "nothing"),
        ("en", "nothing"),
        ("en-US,en;q=0.9", "nothing"),
        ("de, en;q=0.5", "nothing"),
    ],
)
def test_errors_are_portuguese_unless_english_is_preferred(lonely: Any, accept_language: str | None, word: str) -> None:
    """The lab speaks Portuguese, and is polite to guests."""
    headers = {"Accept-Language": accept_language} if accept_language else {}
    assert word in lonely.get("/nothing-here", headers=headers).json["erro"]


def test_a_page_tells_its_language(lonely: Any) -> None:
    """A screen reader pronounces by it."""
    for asked, told in (("pt-BR", "pt-BR"), ("en", "en")):
        page = lonely.get("/nothing-here", headers={"Accept": "text/html", "Accept-Language": asked})
        assert f'<html lang="{told}">' in page.text


def test_everything_is_said_in_both_languages() -> None:
    """A text that is missing would be a 500 on a bad day."""
    assert all(text.keys() == {"pt", "en"} for text in MESSAGES.values())
    assert LABELS["pt"].keys() == LABELS["en"].keys()
