"""Runs the tests that check an exercise. Each test is a point; a small plugin of pytest collects what they found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from exercises.catalogue import Exercise
from exercises.evidence import Evidence
from exercises.sheet import Answers, NoAnswer
from exercises.words import say
from lab.inventory import ROOT
from lab.language import Language
from lab.machines import Lab

T = TypeVar("T")

FOUND = "found"
LONGEST = 200


@dataclass(frozen=True)
class Case:
    """What a check looks at."""

    lab: Lab
    answers: Answers
    evidence: Evidence


CASE = pytest.StashKey[Case]()


@dataclass(frozen=True)
class Found:
    """A test's `found`: records what the student is told was found, and returns it."""

    properties: list[tuple[str, object]]

    def __call__(self, value: T) -> T:
        self.properties.append((FOUND, value))
        return value


@dataclass(frozen=True)
class Verdict:
    """The result of one point. `found` is what the test recorded, or why it failed; a NoAnswer if there is none."""

    test: str
    passed: bool
    found: object = None

    def found_text(self, spoken: Language) -> str:
        return text_of(self.found, spoken)


@dataclass
class Judge:
    """The plugin: gives the tests their case, and keeps the verdict of each."""

    case: Case
    verdicts: list[Verdict] = field(default_factory=list)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[CASE] = self.case

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome: Any = yield
        report = outcome.get_result()
        if report.when == "call" or (report.when == "setup" and not report.passed):
            recorded = [value for name, value in item.user_properties if name == FOUND]
            error = call.excinfo.value if call.excinfo else None
            found: object = recorded[-1] if recorded else error
            self.verdicts.append(Verdict(item.name, report.passed, error if isinstance(error, NoAnswer) else found))


class JudgeError(RuntimeError):
    """pytest could not run the tests of a check."""


def judge(exercise: Exercise, case: Case) -> list[Verdict]:
    """Check an exercise: a verdict for each of its points, in their order.

    Raises:
        JudgeError: pytest could not run the tests.
    """
    plugin = Judge(case)
    # The project's filters would make an error of a warning of pytest itself, which has been imported already.
    options = [
        "-o",
        "addopts=",
        "-o",
        "filterwarnings=ignore",
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:logging",
        f"--rootdir={ROOT}",
    ]
    code = pytest.main([*options, f"--confcutdir={exercise.module.parent}", str(exercise.module)], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not plugin.verdicts:
        reason = pytest.ExitCode(code).name
        raise JudgeError(
            f"the tests did not run ({reason}). Remedy: see pytest exercises/checks/{exercise.module.name}"
        )
    return plugin.verdicts


def text_of(found: object, spoken: Language) -> str:
    """What a test found, in one line."""
    match found:
        case NoAnswer():
            return say("no answer", spoken)
        case None | "" | [] | ():
            return say("nothing", spoken)
        case bool():
            return say("yes" if found else "no", spoken)
        case float():
            return f"{found:g}" if found == int(found) else f"{found:.1f}"
        case dict():
            return ", ".join(f"{key} {text_of(value, spoken)}" for key, value in found.items())
        case set() | frozenset():
            return text_of(sorted(found), spoken)
        case str():
            return found if len(found) <= LONGEST else f"{found[:LONGEST]}…"
        case Sequence():
            return ", ".join(text_of(value, spoken) for value in found)
        case FileNotFoundError():
            return say("no file", spoken, name=Path(str(found.filename)).name)
        case BaseException():
            return text_of(_reason(found), spoken)
        case _:
            return str(found)


def _reason(error: BaseException) -> str:
    """The first line of an error; of a command that failed on a machine, the last line that it printed."""
    result = error.args[0] if error.args else ""
    lines = str(getattr(result, "stderr", "") or error).strip().splitlines()
    return (lines[-1 if hasattr(result, "stderr") else 0] if lines else type(error).__name__).strip()
