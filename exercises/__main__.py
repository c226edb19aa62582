"""python -m exercises start [3] | check 3 | check all: what `make exercise` and `make check` run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exercises.catalogue import EXERCISES, Exercise, in_subnet
from exercises.evidence import Evidence
from exercises.judge import Case, JudgeError, Verdict, judge
from exercises.report import Report, Result, student
from exercises.sheet import BadSheet, Folder
from exercises.state import NoLab, StartingState, make, refuse_without_machines
from exercises.words import say
from lab.inventory import ROOT, Inventory
from lab.language import Language, language
from lab.machines import Lab

FOLDER = ROOT / ".lab" / "exercises"


class Refused(ValueError):
    """The request makes no sense; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start or check exercises; return 0 if nothing is missing, 1 if points are, 2 if it could not be done."""
    parser = argparse.ArgumentParser(prog="make", description="Exercises that check themselves.")
    parser.add_argument("verb", choices=["start", "check"])
    parser.add_argument("exercise", nargs="?", default="", help="a number, or all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the answer sheets are")
    options = parser.parse_args(arguments)
    try:
        code = run(options.verb, options.exercise, options.folder)
        sys.stdout.flush()
        return code
    except (Refused, BadSheet, NoLab, JudgeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest of it when it ends
        print("error: the output was cut off, so this stopped. Next: run it again, without `| head`", file=sys.stderr)
        return 2


def run(verb: str, exercise: str, folder: Path) -> int:
    """Do what the verb says with one exercise, all of them, or the list."""
    spoken = language()
    if verb == "start" and not exercise:
        return show(folder, spoken)
    if verb == "check" and exercise == "all":
        return check_all(folder, spoken)
    with_lab = start if verb == "start" else check
    return with_lab(find(exercise, verb), folder, spoken)


def find(number: str, verb: str) -> Exercise:
    """The exercise of that number; `3` and `03` are the same."""
    found = next((one for one in EXERCISES if number.isdigit() and int(number) == one.number), None)
    if not found:
        verb, last = ("exercise" if verb == "start" else "check"), EXERCISES[-1].number
        what = f"no exercise {number!r}" if number else "no exercise given"
        raise Refused(f"{what}. Remedy: make {verb} E=1, up to E={last}{'' if verb == 'exercise' else ', or E=all'}")
    return found


def show(folder: Path, spoken: Language) -> int:
    """List the exercises, and the best result in each."""
    report, name = Report(folder / "report.csv"), student()
    for one in EXERCISES:
        of = len(one.points())
        best = report.best(name, str(one.number), of)
        done = "" if best is None else say("points", spoken, points=best, of=of)
        print(f"{one.number:>3}  {_title(one, spoken):<58} {one.minutes:>3} {say('minutes', spoken)}  {done}".rstrip())
    print(f"\n{say('list', spoken)}")
    return 0


def start(exercise: Exercise, folder: Path, spoken: Language) -> int:
    """Print the text, bring the lab into the starting state, and write the answer sheet."""
    lab = the_lab(exercise)
    try:
        subnet = str(lab.vars["lab_subnet"])
        print(f"{exercise.text(spoken, subnet)}\n---", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        refuse_without_machines(lab)
        if exercise.breaks:
            StartingState(lab, spoken, folder, make).prepare()
        sheet = Folder(folder).write(exercise, spoken, subnet)
        print(say("begin", spoken, sheet=_relative(sheet), number=exercise.number))
    finally:
        lab.close()
    return 0


def check(exercise: Exercise, folder: Path, spoken: Language) -> int:
    """Check one exercise, print its points, and add them to the report."""
    answers = Folder(folder).read(exercise)
    lab = the_lab(exercise)
    try:
        refuse_without_machines(lab)
        evidence = Evidence(lab, Folder(folder).started(exercise))
        verdicts = judge(exercise, Case(lab, answers, evidence))
    finally:
        lab.close()
    print(in_subnet(shown(exercise, verdicts, spoken), str(lab.vars["lab_subnet"])))
    points = sum(verdict.passed for verdict in verdicts)
    Report(folder / "report.csv").add(student(), Result(str(exercise.number), points, len(verdicts)))
    return int(points < len(verdicts))


def check_all(folder: Path, spoken: Language) -> int:
    """The final mark: the best result of each exercise. What has never been right is checked again.

    A result stays: the logs and sessions that it was about may be gone. An exercise about another inventory is extra.
    """
    report, name = Report(folder / "report.csv"), student()
    points = of = 0
    lines = []
    for one in EXERCISES:
        maximum = len(one.points())
        best = report.best(name, str(one.number), maximum)
        if (best or 0) < maximum and one.inventory == _inventory() and Folder(folder).sheet(one).exists():
            check(one, folder, spoken)
            best = report.best(name, str(one.number), maximum)
        result = say("not begun", spoken) if best is None else say("points", spoken, points=best, of=maximum)
        is_extra = one.inventory != EXERCISES[0].inventory
        extra = f", {say('extra', spoken)}" if is_extra else ""
        lines.append(f"{one.number:>3}  {_title(one, spoken):<58} {result}{extra}")
        if not is_extra:
            points, of = points + (best or 0), of + maximum
    print("\n".join(lines))
    print("\n" + say("mark", spoken, points=points, of=of, percent=round(100 * points / of)))
    report.add(name, Result("all", points, of))
    return int(points < of)


def shown(exercise: Exercise, verdicts: Sequence[Verdict], spoken: Language) -> str:
    """The points of a check for a person: what was expected, and, where it is missing, what was found and a hint."""
    texts = exercise.points()
    width = max(len(say("ok", spoken)), len(say("missed", spoken)))
    lines = [exercise.title(spoken), ""]
    for verdict in verdicts:
        point = texts[verdict.test]
        result = say("ok" if verdict.passed else "missed", spoken)
        lines.append(f"  {result:<{width}}  {point.expected[spoken]}")
        if not verdict.passed:
            details = [("found", verdict.found_text(spoken)), ("hint", point.hint[spoken])]
            lines += [f"  {'':<{width}}  {say(name, spoken)}: {text}" for name, text in details]
    total = say("points", spoken, points=sum(verdict.passed for verdict in verdicts), of=len(verdicts))
    return "\n".join([*lines, "", total])


def the_lab(exercise: Exercise) -> Lab:
    """The lab, if it is the one that the exercise is about."""
    if (inventory := _inventory()) != exercise.inventory:
        own = f"LAB_INVENTORY=inventory/{exercise.inventory} " if exercise.inventory != "lab" else ""
        raise Refused(
            f"exercise {exercise.number} needs inventory/{exercise.inventory}; this lab is inventory/{inventory}. "
            f"Remedy: make down, then {own}make up"
        )
    return Lab(Inventory.load())


def _inventory() -> str:
    return Path(os.environ.get("LAB_INVENTORY") or "inventory/lab").name


def _title(exercise: Exercise, spoken: Language) -> str:
    return exercise.title(spoken).partition(": ")[2]


def _relative(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
