"""The answer sheets: .lab/exercises/03.yml, one question per key. Everything in them is text until a check reads it."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from exercises.catalogue import Exercise
from exercises.words import say
from lab.language import Language

WIDTH = 100
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
YES = {"yes", "y", "true", "sim", "s"}
NO = {"no", "n", "false", "não", "nao"}


class BadSheet(ValueError):
    """The sheet is missing or cannot be read; the message says what to do."""


class NoAnswer(AssertionError):
    """A question has no answer yet."""


@dataclass(frozen=True)
class Answers:
    """What a student wrote. Each method fails the test that asks if there is no answer, or none of that kind."""

    answers: dict[str, str]

    def text(self, key: str) -> str:
        if not (answer := self.answers.get(key, "").strip()):
            raise NoAnswer(key)
        return answer

    def name(self, key: str) -> str:
        """A name of a machine, a header or a command, whatever its case."""
        return self.text(key).lower().rstrip(".")

    def number(self, key: str) -> float:
        """The first number of the answer; its decimal sign may be a comma."""
        answer = self.text(key)
        found = NUMBER.search(answer)
        assert found, answer
        return float(found[0].replace(",", "."))

    def words(self, key: str) -> list[str]:
        """A list, separated by commas or spaces."""
        return [word for word in re.split(r"[\s,;\[\]]+", self.text(key)) if word]

    def yes(self, key: str) -> bool:
        answer = self.name(key)
        assert answer in YES | NO, answer
        return answer in YES


@dataclass(frozen=True)
class Folder:
    """Where the sheets are: .lab/exercises, and when each exercise was begun."""

    path: Path

    def sheet(self, exercise: Exercise) -> Path:
        return self.path / f"{exercise.number:02d}.yml"

    def write(self, exercise: Exercise, spoken: Language, subnet: str = "") -> Path:
        """Write an empty sheet and note the time; a sheet that is there stays as it is."""
        path = self.sheet(exercise)
        if not path.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            self._note(exercise)
            title, hint = exercise.title(spoken), say("write", spoken, number=exercise.number)
            parts = [f"# {title}\n# {hint}\n"]
            for key, question in exercise.questions(spoken, subnet).items():
                parts.append(f"{_comment(question)}\n{key}:\n")
            path.write_text("\n".join(parts), encoding="utf-8")
        return path

    def started(self, exercise: Exercise) -> float:
        """When the sheet was written, in seconds since 1970."""
        return float(self._times().get(str(exercise.number), 0))

    def read(self, exercise: Exercise) -> Answers:
        """The answers of a sheet.

        Raises:
            BadSheet: it is missing or malformed.
        """
        path = self.sheet(exercise)
        again = f"Remedy: one `key: answer` a line; remove it, and make exercise E={exercise.number} writes a new one."
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise BadSheet(f"there is no answer sheet {path}. Remedy: make exercise E={exercise.number}") from None
        except UnicodeDecodeError:
            raise BadSheet(f"{path} is not text in UTF-8. {again}") from None
        try:
            # Everything stays text: as YAML's own types, a request id could become a number, and `no` a boolean.
            content = yaml.load(text, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadSheet(f"{path}, line {line}: {error.problem or error.context}. {again}") from None
        except yaml.YAMLError as error:
            raise BadSheet(f"{path}: {' '.join(str(error).split())}. {again}") from None
        if not isinstance(content, dict):
            raise BadSheet(f"{path} has no answers. {again}")
        known = exercise.questions("en")
        if unknown := [str(key) for key in content if key not in known]:
            raise BadSheet(f"{path} has no question {', '.join(unknown)}. There are: {', '.join(known)}. {again}")
        return Answers({key: _flat(value) for key, value in content.items()})

    def _times(self) -> dict[str, float]:
        try:
            found = json.loads((self.path / "started.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return dict(found) if isinstance(found, dict) else {}

    def _note(self, exercise: Exercise) -> None:
        times = self._times() | {str(exercise.number): int(time.time())}
        (self.path / "started.json").write_text(json.dumps(times), encoding="utf-8")


def _comment(question: str) -> str:
    return "\n".join(
        textwrap.wrap(question, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
    )


def _flat(value: object) -> str:
    """A list or mapping of YAML as one line, so that `[a, b]` and `- a` are the same answer."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(entry)}" for key, entry in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(_flat(entry) for entry in value)
    return str(value)
