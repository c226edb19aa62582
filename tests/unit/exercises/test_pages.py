"""The pages of the exercises: the same in both languages, and every question is checked."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from exercises import catalogue
from exercises.catalogue import EXERCISES, SUFFIX, Exercise, in_subnet
from exercises.words import WORDS
from lab.inventory import ROOT
from lab.language import Language
from tests.unit.test_docs import outline

ALL = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.name)
FIRST = EXERCISES[0]


def structure(page: Path) -> list[str]:
    """What a page has in common with its translation."""
    return outline(page)


PAGES = sorted(page for page in catalogue.TEXTS.glob("*.md") if not page.name.endswith(SUFFIX["pt"]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_translation_has_the_same_commands_and_figures(page: Path) -> None:
    """Whoever changes a page changes the other one as well."""
    assert structure(page.with_name(page.stem + SUFFIX["pt"])) == structure(page)


@ALL
def test_every_page_has_the_same_parts(exercise: Exercise) -> None:
    """A student finds the questions where they were in the last exercise."""
    headings: dict[Language, list[str]] = {
        "en": ["Goal", "Commands", "Observe", "Questions", "Why"],
        "pt": ["Objetivo", "Comandos", "O que observar", "Perguntas", "Por quê"],
    }
    numbered: dict[Language, str] = {"en": f"Exercise {exercise.number}: ", "pt": f"Exercício {exercise.number}: "}
    for spoken in headings:
        text = exercise.text(spoken)
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == headings[spoken]
        assert exercise.title(spoken).startswith(numbered[spoken])
        assert f"\n{exercise.minutes} min" in text


@ALL
def test_every_answer_is_read_by_the_check(exercise: Exercise) -> None:
    """A question that nobody reads is not worth an answer, and a check that asks for another key gives no point."""
    read = re.findall(r'answers\.\w+\(f?"([a-z0-9_{}]+)"\)', exercise.module.read_text(encoding="utf-8"))
    patterns = {re.sub(r"{\w+}", "[a-z]+", key) for key in read}
    questions = set(exercise.questions("en"))
    assert questions == set(exercise.questions("pt"))
    assert {key for key in questions if not any(re.fullmatch(pattern, key) for pattern in patterns)} == set()
    assert {pattern for pattern in patterns if not any(re.fullmatch(pattern, key) for key in questions)} == set()


@ALL
def test_every_test_is_a_point(exercise: Exercise) -> None:
    """With what is expected and a hint, in both languages; the tests and the texts have the same order."""
    tree = ast.parse(exercise.module.read_text(encoding="utf-8"))
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    points = exercise.points()
    assert list(points) == tests
    for point in points.values():
        assert set(point.expected) == set(point.hint) == {"en", "pt"}
        assert all([*point.expected.values(), *point.hint.values()])


@ALL
def test_every_exercise_has_a_recorded_solution(exercise: Exercise) -> None:
    """`make test-all` does it, and some mistakes, on a lab."""
    module = ROOT / "tests" / "exercises" / exercise.module.name
    assert module.read_text(encoding="utf-8").count("\ndef test_") >= 3


def test_the_words_are_in_both_languages() -> None:
    """With the same values."""
    for words in WORDS.values():
        assert set(words) == {"en", "pt"}
        assert re.findall(r"{\w+}", words["en"]) == re.findall(r"{\w+}", words["pt"])


def test_a_lab_in_another_subnet_has_other_addresses() -> None:
    """The pages are written for that of the inventory."""
    assert in_subnet("172.20.0.20 and 172.20.0.5", "192.168.57") == "192.168.57.20 and 192.168.57.5"
    assert "192.168.57.21" in FIRST.questions("en", "192.168.57")["reverse_name"]
