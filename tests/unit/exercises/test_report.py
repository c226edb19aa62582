"""The report: a student's best results."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exercises.report import COLUMNS, Report, Result, student
from lab.inventory import ROOT


def test_a_report_has_one_line_for_each_check(tmp_path: Path) -> None:
    """A name may have a comma. A teacher opens it in a spreadsheet."""
    report = Report(tmp_path / "new" / "report.csv")
    report.add("Lima, Ana", Result("3", 4, 6))
    report.add("Lima, Ana", Result("3", 6, 6))
    with report.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [(row["name"], row["exercise"], row["points"], row["of"]) for row in rows] == [
        ("Lima, Ana", "3", "4", "6"),
        ("Lima, Ana", "3", "6", "6"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", rows[0]["time"])


def test_the_best_result_counts(tmp_path: Path) -> None:
    """Of the same student, and of the same number of points: an exercise may have changed."""
    report = Report(tmp_path / "report.csv")
    assert report.best("Ana", "3", 6) is None
    for name, exercise, points, of in [("Ana", "3", 5, 6), ("Ana", "3", 2, 6), ("Bia", "3", 6, 6), ("Ana", "3", 7, 7)]:
        report.add(name, Result(exercise, points, of))
    assert (report.best("Ana", "3", 6), report.best("Bia", "3", 6), report.best("Ana", "4", 6)) == (5, 6, None)


def test_output_that_is_cut_off_gives_an_error(tmp_path: Path) -> None:
    """As by `| head`: here the reader is gone before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "exercises", "start", "--folder", str(tmp_path)]
    with os.fdopen(writer) as stdout:
        done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: the output was cut off")


def test_the_students_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """LAB_STUDENT wins over what git and the login say."""
    monkeypatch.setenv("LAB_STUDENT", " Ana Souza ")
    assert student() == "Ana Souza"
    monkeypatch.delenv("LAB_STUDENT")
    assert student()
