"""The exercises without a lab: their pages in both languages, answer sheets, points, reports and the starting state."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import exercises.__main__ as program
from exercises import catalogue, state
from exercises.catalogue import EXERCISES, SUFFIX, Exercise, in_subnet
from exercises.checks.test_02_caches import lives
from exercises.evidence import STARTED, STOPPED, Evidence, Outage, Request, outages, parse
from exercises.judge import Case, Verdict, judge, text_of
from exercises.report import COLUMNS, Report, Result, student
from exercises.sheet import Answers, BadSheet, Folder, NoAnswer
from exercises.state import NoLab, StartingState
from exercises.words import WORDS
from lab.inventory import ROOT
from lab.language import Language
from tests.unit.test_docs import outline

ALL = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.name)
FIRST = EXERCISES[0]
NEVER = float("inf")


# The pages


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


# The answer sheets


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


# The judge


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


# The records of the machines


def request(at: float, frontend: str, seconds: float = 0.0) -> Request:
    return Request(at, frontend, "id", "172.20.0.1", "GET", "/status", 200, seconds, ("backend1",), "agent")


def test_a_line_of_the_log_names_the_backends() -> None:
    """In the order in which the frontend asked them; the last one answered."""
    entry = {
        "time": "2026-11-24T12:00:07+00:00",
        "frontend": "frontend1",
        "request_id": "abc",
        "client": "172.20.0.100",
        "method": "GET",
        "uri": "/perfil",
        "status": 200,
        "seconds": 5.003,
        "upstream": "172.20.0.11:8000, 172.20.0.10:8000",
        "agent": "curl",
    }
    names = {"172.20.0.10:8000": "backend1", "172.20.0.11:8000": "backend2"}
    found = parse(entry, names)
    assert (found.backends, found.backend) == (("backend2", "backend1"), "backend1")
    assert found.time - found.began == pytest.approx(5.003)
    assert found.status == 200
    assert parse(entry | {"upstream": ""}, names).backend == ""
    assert parse(entry | {"upstream": "backends"}, names).backends == ()


def test_a_stop_and_the_next_start_are_an_outage() -> None:
    """A unit may be stopped twice in a row, or still be down."""
    entries = [
        {"__REALTIME_TIMESTAMP": f"{at}000000", "MESSAGE_ID": kind}
        for at, kind in [(1, STARTED), (2, STOPPED), (3, STOPPED), (5, STARTED), (9, STOPPED)]
    ]
    assert outages(entries) == [Outage(2, 5), Outage(9, NEVER)]


@pytest.mark.parametrize(
    ("at", "seconds", "is_in"), [(12, 1, True), (10.5, 1, False), (19.5, 1, False), (21, 0, False)]
)
def test_a_request_belongs_to_an_outage(at: float, seconds: float, is_in: bool) -> None:
    """If it began and ended in it. Times in the log are rounded to seconds."""
    assert Outage(10, 20).has(request(at, "frontend1", seconds)) is is_in


def test_an_old_address_lives_until_its_last_request() -> None:
    """If others follow, and none of its own. A second load of the zone begins anew."""
    requests = [request(at, "frontend1") for at in (8, 12, 17)] + [request(at, "frontend2") for at in (18, 25, 33)]
    assert lives([10], requests, "frontend1") == [7]
    assert lives([10, 30], requests, "frontend1") == [7]
    assert lives([20], requests, "frontend1") == []
    assert lives([10], requests[:3], "frontend1") == []


# The report


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


# The starting state


class Stub:
    """A lab whose problems go away with the right action."""

    def __init__(self, *problems: str) -> None:
        self.problems = {f"backend{number}": problem for number, problem in enumerate(problems, start=1)}
        self.mends = False
        self.boots = 0
        self.made: list[tuple[str, ...]] = []

    def make(self, *arguments: str) -> None:
        self.made.append(arguments)
        if arguments[0] in ("reset", "provision"):
            self.problems = {}
        self.boots = 2

    def now(self) -> dict[str, str]:
        """Machines that have just started need a moment."""
        self.boots = max(0, self.boots - 1)
        return {"dns1": "named.service is activating"} if self.boots else dict(self.problems)

    def everywhere(self, *_: object) -> dict[str, object]:
        return {}


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Stub], None]:
    """Prepares a stub; the content of the project is always the same."""
    monkeypatch.setattr(state, "differences", lambda lab: lab.now())
    monkeypatch.setattr(state, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(state, "content", lambda: "c0ffee")
    monkeypatch.setenv("LAB_INVENTORY", "inventory/lab")

    def mend(self: StartingState) -> None:
        stub = cast(Stub, self.lab)
        stub.problems = {} if stub.mends else stub.problems

    monkeypatch.setattr(StartingState, "mend", mend)

    def act(stub: Stub) -> None:
        StartingState(cast(Any, stub), "en", tmp_path, stub.make).prepare()

    return act


def test_the_lab_is_saved_once(prepare: Callable[[Stub], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first exercise that breaks something, and it says so."""
    lab = Stub()
    prepare(lab)
    prepare(lab)
    assert lab.made == [("snapshot", "NAME=exercises-lab")]
    assert "Saving all machines once as the snapshot exercises-lab" in capsys.readouterr().out


def test_it_is_saved_again_when_the_project_has_changed(
    prepare: Callable[[Stub], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset would undo the change."""
    lab = Stub()
    prepare(lab)
    monkeypatch.setattr(state, "content", lambda: "decaf")
    prepare(lab)
    assert lab.made == [("snapshot", "NAME=exercises-lab")] * 2


def test_what_is_stopped_is_started(prepare: Callable[[Stub], None], capsys: pytest.CaptureFixture[str]) -> None:
    """The logs, which other checks need, stay."""
    lab = Stub("revezamento.service is inactive")
    lab.mends = True
    prepare(lab)
    assert lab.made == [("snapshot", "NAME=exercises-lab")]
    assert "  backend1: revezamento.service is inactive\nStarting what is stopped." in capsys.readouterr().out


def test_a_changed_lab_returns_to_the_snapshot(
    prepare: Callable[[Stub], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so before it does."""
    prepare(Stub())
    lab = Stub("nginx has another nginx_persistence")
    prepare(lab)
    assert lab.made == [("reset", "NAME=exercises-lab")]
    assert "Returning all machines to the snapshot exercises-lab" in capsys.readouterr().out


def test_without_a_snapshot_the_roles_are_applied_again(prepare: Callable[[Stub], None]) -> None:
    """Only then is the state saved."""
    lab = Stub("the zone is another one")
    prepare(lab)
    assert lab.made == [("provision",), ("snapshot", "NAME=exercises-lab")]


def test_a_lab_that_does_not_recover_is_refused(
    prepare: Callable[[Stub], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what is missing."""
    monkeypatch.setattr(state, "SETTLE_SECONDS", 0)
    lab = Stub("its tier is not complete")
    monkeypatch.setattr(lab, "make", lambda *_: None)
    with pytest.raises(NoLab, match="still not in its starting state:\n  backend1: its tier is not complete"):
        prepare(lab)


def test_a_machine_without_power_needs_its_provider(prepare: Callable[[Stub], None]) -> None:
    """`make up` starts containers, `vagrant up` virtual machines."""
    with pytest.raises(NoLab, match=r"backend1: no answer\. Remedy: make up, or vagrant up"):
        prepare(Stub("does not answer: timeout"))


# The commands


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


def test_evidence_is_asked_of_the_machines_once() -> None:
    """A check has many points about the same requests."""
    calls: list[object] = []
    lab = SimpleNamespace(
        everywhere=lambda *_: calls.append(1) or {},  # type: ignore[func-returns-value]
        tier=lambda _: [],
        addresses=lambda _: [],
    )
    evidence = Evidence(cast(Any, lab), 0)
    assert (evidence.requests, evidence.of_client(), len(calls)) == ([], [], 1)


class Machine:
    """A machine that answers each command with what a test gives for a part of it."""

    name, units, service, role_command = "frontend1", ["nginx.service"], "nginx.service", "true"
    tiers = ("frontends",)

    def __init__(self, **answers: str) -> None:
        self.answers = answers

    def problem(self) -> str:
        return self.answers.get("problem", "")

    def run(self, command: str) -> SimpleNamespace:
        return SimpleNamespace(stdout=self.answers.get("active", "active\n"))

    def root(self, command: str, *_: str) -> SimpleNamespace:
        if "route_upstream" in command:
            return SimpleNamespace(rc=int("sticky" not in self.answers))
        if command == state.FROZEN:
            return SimpleNamespace(stdout=self.answers.get("state", "S"))
        return SimpleNamespace(succeeded="alone" not in self.answers)

    def role(self, _: str) -> dict[str, str]:
        return {"nginx_persistence": "none"}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({}, ""),
        ({"problem": "no route"}, "does not answer: no route"),
        ({"active": "failed\n"}, "nginx.service is failed"),
        ({"state": "T"}, "nginx.service is frozen"),
        ({"sticky": "yes"}, "nginx has another nginx_persistence"),
        ({"alone": "yes"}, "its tier is not complete"),
    ],
)
def test_what_an_exercise_leaves_is_found(answers: dict[str, str], problem: str) -> None:
    """On each machine, also where `make status` finds it healthy."""
    assert state._problem(cast(Any, Machine(**answers))) == problem
