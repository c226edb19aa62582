"""What an exercise finds: a lab that is whole, by the shortest way there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exercises import state
from exercises.state import NoLab, StartingState


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
