"""The exercises: their texts in docs/exercises, the questions in these texts, and the points that a check gives.

A text is the only place of its questions: the list items that begin with a key, below the heading Questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.inventory import ROOT
from lab.language import Language

TEXTS = ROOT / "docs" / "exercises"
CHECKS = ROOT / "exercises" / "checks"
SUFFIX: Mapping[Language, str] = {"en": ".md", "pt": ".pt-BR.md"}
QUESTIONS: Mapping[Language, str] = {"en": "## Questions", "pt": "## Perguntas"}
QUESTION = re.compile(r"^- `([a-z0-9_]+)`: (.+(?:\n  .+)*)", re.MULTILINE)


@dataclass(frozen=True)
class Point:
    """What a test of a check expects, and what helps a student who misses it, by language."""

    expected: Mapping[Language, str]
    hint: Mapping[Language, str]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        breaks: whether it stops or changes machines, so that it starts from a lab in its starting state.
        inventory: the map that it is about.
    """

    number: int
    slug: str
    minutes: int
    breaks: bool = False
    inventory: str = "lab"

    @property
    def name(self) -> str:
        return f"{self.number:02d}-{self.slug}"

    @property
    def module(self) -> Path:
        """The tests that check it."""
        return CHECKS / f"test_{self.name.replace('-', '_')}.py"

    def page(self, spoken: Language) -> Path:
        return TEXTS / f"{self.name}{SUFFIX[spoken]}"

    def text(self, spoken: Language, subnet: str = "") -> str:
        """Its page; `subnet` replaces the one that the pages are written for."""
        return in_subnet(self.page(spoken).read_text(encoding="utf-8"), subnet)

    def title(self, spoken: Language) -> str:
        return self.text(spoken).partition("\n")[0].removeprefix("# ")

    def questions(self, spoken: Language, subnet: str = "") -> dict[str, str]:
        """The questions by their keys in the answer sheet."""
        section = self.text(spoken, subnet).partition(f"{QUESTIONS[spoken]}\n")[2].partition("\n## ")[0]
        return {key: " ".join(question.split()) for key, question in QUESTION.findall(section)}

    def points(self) -> dict[str, Point]:
        """The points by the names of their tests."""
        entries: dict[str, Any] = yaml.safe_load((CHECKS / f"{self.name}.yml").read_text(encoding="utf-8"))
        return {test: Point(**texts) for test, texts in entries.items()}


def in_subnet(text: str, subnet: str) -> str:
    """The text with the addresses of a lab in another subnet (LAB_SUBNET)."""
    return text.replace("172.20.0.", f"{subnet}.") if subnet else text


EXERCISES = (
    Exercise(1, "names", 20),
    Exercise(2, "caches", 25, breaks=True),
    Exercise(3, "packets", 35),
    Exercise(4, "proxy", 20),
    Exercise(5, "sessions", 30),
    Exercise(6, "dead-backend", 25, breaks=True),
    Exercise(7, "silence", 30, breaks=True),
    Exercise(8, "dead-frontend", 30, breaks=True),
    Exercise(9, "sticky", 35, breaks=True),
    Exercise(10, "dependencies", 25, breaks=True),
    Exercise(11, "any-machine", 30, breaks=True, inventory="ha"),
)
