"""Answer sheets of students: never overwritten, refused with a remedy, and read as they are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exercises.catalogue import EXERCISES
from exercises.sheet import Answers, BadSheet, Folder, NoAnswer

FIRST = EXERCISES[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "exercises")


def test_a_sheet_has_every_question(folder: Folder) -> None:
    """Each above its key, in the student's language. An empty sheet has no answers, but it can be read."""
    text = folder.write(FIRST, "pt").read_text(encoding="utf-8")
    assert text.startswith("# Exercício 1: Um nome, três endereços\n")
    assert "\n# Por quantos segundos um resolvedor pode guardar essa resposta?\nttl_seconds:\n" in text
    answers = folder.read(FIRST)
    assert list(answers.answers) == list(FIRST.questions("pt"))
    with pytest.raises(NoAnswer):
        answers.text("ttl_seconds")


def test_a_sheet_is_never_overwritten(folder: Folder) -> None:
    """Nor is the time at which the exercise was begun."""
    path = folder.write(FIRST, "en")
    path.write_text("ttl_seconds: 5\n", encoding="utf-8")
    started = folder.started(FIRST)
    (folder.path / "started.json").write_text(json.dumps({"1": started - 60}), encoding="utf-8")
    folder.write(FIRST, "pt")
    assert path.read_text(encoding="utf-8") == "ttl_seconds: 5\n"
    assert folder.started(FIRST) == started - 60
    assert started > 1_700_000_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "there is no answer sheet .*01.yml. Remedy: make exercise E=1"),
        ("serial: 'x", "01.yml, line 1: .*Remedy: one `key: answer` a line"),
        ("- a\n- b\n", "has no answers"),
        ("", "has no answers"),
        ("serail: 5\n", "has no question serail. There are: addresses, ttl_seconds"),
        ("a: 1\nb: {", "01.yml, line 2: "),
    ],
)
def test_a_bad_sheet_is_refused_with_a_remedy(folder: Folder, text: str | None, problem: str) -> None:
    """In one line, which names the file and the line in it."""
    if text is not None:
        folder.path.mkdir()
        folder.sheet(FIRST).write_text(text, encoding="utf-8")
    with pytest.raises(BadSheet, match=problem) as raised:
        folder.read(FIRST)
    assert "\n" not in str(raised.value)


def test_answers_stay_what_was_written(folder: Folder) -> None:
    """YAML would read an id as a number, and `no` as false. Lists may be written in any way."""
    folder.path.mkdir()
    lines = "serial: 00112233\nauthority_flag: no\naddresses: [a, b]\nreverse_name:\n- c\n- d\n"
    folder.sheet(FIRST).write_text(lines, encoding="utf-8")
    answers = folder.read(FIRST)
    assert answers.text("serial") == "00112233"
    assert answers.yes("authority_flag") is False
    assert (answers.words("addresses"), answers.words("reverse_name")) == (["a", "b"], ["c", "d"])


@pytest.mark.parametrize(
    ("answer", "number"), [("5", 5), ("5 s", 5), ("0,5", 0.5), ("about 4.9 seconds", 4.9), ("-1", -1)]
)
def test_a_number_may_have_a_unit_and_a_comma(answer: str, number: float) -> None:
    """Brazilians write 0,5."""
    assert Answers({"x": answer}).number("x") == number


@pytest.mark.parametrize(("answer", "says"), [("yes", True), ("Sim", True), ("não", False), ("No.", False)])
def test_yes_and_no_in_both_languages(answer: str, says: bool) -> None:
    assert Answers({"x": answer}).yes("x") is says


def test_an_answer_of_another_kind_gives_no_point() -> None:
    """The student sees what was written."""
    for ask in (Answers({"x": "many"}).number, Answers({"x": "perhaps"}).yes):
        with pytest.raises(AssertionError, match=r"many|perhaps"):
            ask("x")
