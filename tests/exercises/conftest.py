"""A student who does the exercises on the running lab: types the commands of the pages as they are written there.

Each module has the recorded solution of one exercise, which its check must pass, and mistakes, which it must catch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exercises.catalogue import EXERCISES
from exercises.state import StartingState, differences, make
from lab.inventory import Inventory
from lab.machines import Lab
from tests.exercises.student import Student

Begin = Callable[[int], Student]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab(Inventory.load())
    yield lab
    lab.close()


@pytest.fixture(scope="session", autouse=True)
def _the_lab_is_ready(lab: Lab) -> None:
    """Fail at once with one message, instead of in every exercise."""
    if problems := differences(lab):
        pytest.fail(f"the lab is not in its starting state: {problems}\nNext: make status; make up", pytrace=False)


@pytest.fixture(scope="session")
def mend(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], None]:
    """Start what a module has stopped; fail if that leaves the lab in another state."""

    def act() -> None:
        if differences(lab):
            StartingState(lab, "en", tmp_path_factory.mktemp("state"), make).mend()
            assert differences(lab) == {}

    return act


@pytest.fixture(scope="module")
def begin(lab: Lab, mend: Callable[[], None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """Begin an exercise with an empty answer sheet. Afterwards, the lab is as it was."""

    def act(number: int) -> Student:
        exercise = next(one for one in EXERCISES if one.number == number)
        if exercise.inventory != Path(os.environ.get("LAB_INVENTORY") or "inventory/lab").name:
            pytest.skip(f"exercise {number} needs inventory/{exercise.inventory}")
        return Student.begin(lab, exercise, tmp_path_factory.mktemp(exercise.slug))

    yield act
    mend()
