"""A check of an exercise gives a point for each of its tests, in the student's language."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import exercises.__main__ as program
from exercises import catalogue
from exercises.catalogue import EXERCISES, Exercise
from exercises.judge import Case, Verdict, judge, text_of
from exercises.sheet import Answers, NoAnswer
from lab.language import Language

FIRST = EXERCISES[0]


CHECK = """
from exercises.judge import Found

def test_right(answers, found: Found) -> None:
    assert found(answers.number("ttl_seconds")) == 5

def test_wrong(answers, found: Found) -> None:
    assert found(answers.text("serial")) == "7"

def test_empty(answers, found: Found) -> None:
    assert found(answers.text("reverse_name")) == "x"

def test_broken(found: Found) -> None:
    raise RuntimeError("frontend1 does not answer")
"""
POINTS = """
{test}:
  expected: {{en: expected of {test}, pt: esperado de {test}}}
  hint: {{en: hint of {test}, pt: dica de {test}}}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    """Exercise 1 with a check of four points, of which a lab is not needed for any."""
    tests = ("test_right", "test_wrong", "test_empty", "test_broken")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "conftest.py").write_text(
        (catalogue.CHECKS / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "checks" / "test_01_names.py").write_text(CHECK, encoding="utf-8")
    (tmp_path / "checks" / "01-names.yml").write_text(
        "".join(POINTS.format(test=test) for test in tests), encoding="utf-8"
    )
    monkeypatch.setattr(catalogue, "CHECKS", tmp_path / "checks")
    return FIRST


def case(**answers: str) -> Case:
    return Case(cast(Any, None), Answers(answers), cast(Any, None))


def test_every_test_of_a_check_gives_a_verdict(small: Exercise) -> None:
    """One that breaks is a missed point as well, and so is one without an answer."""
    verdicts = judge(small, case(ttl_seconds="5", serial="6"))
    found = [(one.test, one.passed, one.found_text("en")) for one in verdicts]
    assert found == [
        ("test_right", True, "5"),
        ("test_wrong", False, "6"),
        ("test_empty", False, "no answer"),
        ("test_broken", False, "frontend1 does not answer"),
    ]


def test_a_check_that_does_not_run_is_an_error(small: Exercise) -> None:
    """It must not look like a student without points."""
    small.module.write_text("import nothing_of_this_name\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="did not run"):
        judge(small, case())


@pytest.mark.parametrize(
    ("spoken", "lines"),
    [
        (
            "en",
            """Exercise 1: One name, three addresses

  ok      expected of test_right
  missed  expected of test_wrong
          found: 6
          hint: hint of test_wrong

1 of 2 points""",
        ),
        (
            "pt",
            """Exercício 1: Um nome, três endereços

  ok     esperado de test_right
  falta  esperado de test_wrong
         encontrado: 6
         dica: dica de test_wrong

1 de 2 pontos""",
        ),
    ],
)
def test_the_points_are_shown_in_the_students_language(small: Exercise, spoken: Language, lines: str) -> None:
    """The expected value itself is not: the student measures again."""
    verdicts = [Verdict("test_right", True, 5), Verdict("test_wrong", False, "6")]
    assert program.shown(small, verdicts, spoken) == lines


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (5.0, "5"),
        (5.04, "5.0"),
        (True, "sim"),
        (None, "nada"),
        ([], "nada"),
        ({"b", "a"}, "a, b"),
        ({"frontend1": 3, "frontend2": 0}, "frontend1 3, frontend2 0"),
        (("x", "y"), "x, y"),
        (NoAnswer("key"), "sem resposta"),
        (FileNotFoundError(2, "No such file", "/a/login.pcap"), "nenhum arquivo login.pcap"),
        (RuntimeError("one\ntwo"), "one"),
        (RuntimeError(SimpleNamespace(stderr="debug\nConnection refused\n")), "Connection refused"),
        (KeyError(), "KeyError"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_what_was_found_is_one_line(found: object, text: str) -> None:
    assert text_of(found, "pt") == text
