"""`make exercise` and `make check`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import exercises.__main__ as program
from exercises.catalogue import EXERCISES, Exercise
from exercises.judge import Case, Verdict
from exercises.report import Report, Result
from exercises.sheet import Folder

FIRST = EXERCISES[0]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = program.main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["check"], "error: no exercise given. Remedy: make check E=1, up to E="),
        (["check", "99"], "error: no exercise '99'. Remedy: make check E=1"),
        (["check", "x"], "error: no exercise 'x'. Remedy: make check E=1"),
        (["start", "0"], "error: no exercise '0'. Remedy: make exercise E=1"),
        (["check", "1"], "01.yml. Remedy: make exercise E=1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a remedy. No machine is asked for it."""
    code, out, err = run(capsys, *arguments, f"--folder={tmp_path}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert error in err


def test_another_inventory_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages name machines and addresses."""
    monkeypatch.setenv("LAB_INVENTORY", "inventory/ha")
    code, _, err = run(capsys, "start", "1", f"--folder={tmp_path}")
    assert code == 2
    assert err == "error: exercise 1 needs inventory/lab; this lab is inventory/ha. Remedy: make down, then make up\n"


def test_without_a_lab_the_remedy_is_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student can read the text meanwhile."""
    monkeypatch.setenv("LAB_LANG", "pt")
    monkeypatch.setattr("lab.machines.Box.problem", lambda _: "Connection timed out")
    monkeypatch.setattr("lab.machines.Box.disconnect", lambda _: None)
    code, out, err = run(capsys, "start", "1", f"--folder={tmp_path}")
    assert (code, err) == (2, "error: no machine of the lab answers. Remedy: make up, or vagrant up\n")
    assert out.startswith("# Exercício 1")
    assert not (tmp_path / "01.yml").exists()


def test_the_list_shows_the_best_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_LANG", "en")
    monkeypatch.setenv("LAB_STUDENT", "Ana")
    of = len(FIRST.points())
    Report(tmp_path / "report.csv").add("Ana", Result("1", 3, of))
    code, out, _ = run(capsys, "start", f"--folder={tmp_path}")
    assert code == 0
    assert re.search(rf"^  1  One name, three addresses +20 minutes  3 of {of} points$", out, re.MULTILINE)
    assert len(out.splitlines()) == len(EXERCISES) + 2


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exercises that are checked again: each gives all its points but one."""
    numbers: list[int] = []

    def verdicts(exercise: Exercise, _: Case) -> list[Verdict]:
        numbers.append(exercise.number)
        return [Verdict(test, bool(number)) for number, test in enumerate(exercise.points())]

    monkeypatch.setattr(program, "judge", verdicts)
    monkeypatch.setattr(program, "refuse_without_machines", lambda _: None)
    monkeypatch.setattr("lab.machines.Box.disconnect", lambda _: None)
    monkeypatch.setenv("LAB_INVENTORY", "inventory/lab")
    monkeypatch.setenv("LAB_STUDENT", "Ana")
    monkeypatch.setenv("LAB_LANG", "en")
    return numbers


def test_a_check_adds_its_points_to_the_report(
    tmp_path: Path, checked: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit status says whether any are missing."""
    Folder(tmp_path).write(FIRST, "en")
    code, out, _ = run(capsys, "check", "01", f"--folder={tmp_path}")
    of = len(FIRST.points())
    assert (code, checked) == (1, [1])
    assert f"{of - 1} of {of} points" in out
    assert Report(tmp_path / "report.csv").best("Ana", "1", of) == of - 1


def test_the_final_mark_is_the_best_of_each(
    tmp_path: Path, checked: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was right once is not checked again: the logs that it was about may be gone."""
    first, second = EXERCISES[:2]
    for one in (first, second):
        Folder(tmp_path).write(one, "en")
    report = Report(tmp_path / "report.csv")
    report.add("Ana", Result("1", len(first.points()), len(first.points())))
    code, out, _ = run(capsys, "check", "all", f"--folder={tmp_path}")
    own = len(first.points()) + len(second.points()) - 1
    of = sum(len(one.points()) for one in EXERCISES if one.inventory == "lab")
    assert (code, checked) == (1, [2])
    assert out.splitlines()[-1] == f"Final mark: {own} of {of} points, {round(100 * own / of)} %"
    assert report.best("Ana", "all", of) == own
    assert out.count("not begun") == len(EXERCISES) - 2
