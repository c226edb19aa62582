"""A drill from its beginning to its end, on a small site instead of the lab."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from drills.catalogue import Drill
from drills.controls import SwappedSessions
from drills.events import read
from drills.expectations import Expectation
from drills.resolver import Resolver
from drills.runner import NotHealthy, Outcome, Runner, Settings, refuse_unless_healthy
from lab.machines import Lab
from tests.unit.drill_site import FRONTENDS, StubSite, round_robin

PASSWORDS = {f"drill-{number:02d}": "x" for number in range(1, 11)}


class StubBox:
    """A machine that says of itself what it is told to."""

    units = ("x.service",)
    tiers = ("frontends",)

    def __init__(self, name: str, address: str = "", problem: str = "") -> None:
        self.name, self.address, self._problem = name, address, problem
        self.vars = {"nginx_web_source": str(Path(__file__).parent / "missing")}

    def role(self, _: str) -> dict[str, Any]:
        return {"app_cookie_name": "sessao"}

    def problem(self) -> str:
        return self._problem

    def is_active(self, *_: str) -> bool:
        return True

    def journal(self, *_: str, **__: Any) -> str:
        return "a line of the journal\n"

    def root_output(self, _: str) -> str:
        return '{"problem": ""}'

    def root(self, _: str) -> Any:
        return type("Result", (), {"stdout": ""})


class StubLab:
    """Two frontends, two backends, no DNS."""

    def __init__(self, site_url: str = "", problem: str = "") -> None:
        self.site_url = site_url
        self._tiers = {
            "frontends": [StubBox(name, address, problem) for address, name in FRONTENDS.items()],
            "backends": [StubBox(name) for name in ("backend1", "backend2")],
        }

    def __iter__(self) -> Iterator[StubBox]:
        return (box for boxes in self._tiers.values() for box in boxes)

    def __getitem__(self, name: str) -> StubBox:
        return next(box for box in self if box.name == name)

    def tier(self, group: str) -> list[StubBox]:
        return self._tiers.get(group, [])

    def names(self, group: str) -> list[str]:
        return [box.name for box in self.tier(group)]

    def addresses(self, group: str) -> list[str]:
        return [box.address for box in self.tier(group)]

    def everywhere(self, ask: Callable[[Any], Any]) -> dict[str, Any]:
        return {box.name: ask(box) for box in self}


class Steps(SwappedSessions):
    """The control that swaps two users, with a record of its steps; `complaint` is what its `inject` says."""

    hold_seconds = 0.5

    def __init__(self, complaint: str = "") -> None:
        super().__init__()
        self.done: list[str] = []
        self._complaint = complaint

    def prepare(self) -> None:
        self.done.append("prepare")

    def inject(self) -> None:
        self.done.append("inject")
        assert not self._complaint, self._complaint

    def undo(self) -> None:
        self.done.append("undo")

    def clean(self) -> None:
        self.done.append("clean")


@pytest.fixture(autouse=True)
def without_pages_and_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drills.runner.pages", lambda _: ["/"])
    monkeypatch.setattr(Resolver, "resolve", staticmethod(round_robin(*FRONTENDS)))


def drilled(
    folder: Path,
    fault: Steps,
    expectation: Expectation,
    story: Callable[[Awaitable[Outcome]], Awaitable[Any]] | None = None,
) -> Any:
    """Run a drill on the small site."""

    async def run() -> Any:
        async with StubSite().running() as site:
            settings = Settings(users=10, rate=100, seed=1, before=0.8, after=0.5, patience=4, folder=folder)
            runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
            drill = runner.run(Drill("swap", "control-swap", lambda: fault), expectation)
            return await (story(drill) if story else drill)

    return asyncio.run(run())


def test_a_drill_is_done_in_order_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prepared, broken, put back, cleaned; a line for each part; every request in the raw file."""
    fault = Steps()
    outcome = drilled(tmp_path, fault, Expectation(why="x", wrong="some", lost="any"))
    assert fault.done == ["prepare", "inject", "undo", "clean"]
    assert list(outcome.problems) == []
    assert outcome.figures.wrong > 0
    assert outcome.figures.redundancy_seconds is not None
    assert outcome.marks.returned - outcome.marks.broke >= fault.hold_seconds
    assert len(read(tmp_path / "swap.jsonl")) == outcome.figures.requests
    told = capsys.readouterr().out
    assert [part for part in ("before", "broken", "returning", "after") if part in told.split()] == [
        "before",
        "broken",
        "returning",
        "after",
    ]


def test_what_does_not_hold_is_told_with_journals(tmp_path: Path) -> None:
    """The oracle saw two users swapped, which is not what was expected here."""
    outcome = drilled(tmp_path, Steps(), Expectation(why="x", lost="any"))
    assert any(problem.startswith("wrong: ") for problem in outcome.problems)
    assert "a line of the journal" in outcome.journals


def test_a_fault_that_could_not_be_broken_is_undone_and_told(tmp_path: Path) -> None:
    """Perhaps it was half done; and a drill in which nothing broke proves nothing."""
    fault = Steps("it would not break")
    outcome = drilled(tmp_path, fault, Expectation(why="x", wrong="any", lost="any"))
    assert fault.done == ["prepare", "inject", "undo", "clean"]
    assert len(outcome.problems) == 1
    assert outcome.problems[0].startswith("it could not be broken: it would not break")


def test_an_interruption_puts_back_what_was_broken(tmp_path: Path) -> None:
    """Ctrl-C, as asyncio passes it on: in the middle of the fault, and of the way there."""
    for moment in (0.3, 1.2):
        fault = Steps()

        async def interrupted(drill: Awaitable[Outcome], moment: float = moment) -> None:
            task = asyncio.ensure_future(drill)
            await asyncio.sleep(moment)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        drilled(tmp_path, fault, Expectation(why="x"), interrupted)
        assert fault.done[-1] == "clean"
        assert ("inject" in fault.done) == ("undo" in fault.done)


def test_an_answer_that_never_comes_is_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who still waits when the drill ends has failed, and must not be forgotten because nothing came."""
    monkeypatch.setattr("drills.browser.ANSWER_SECONDS", 2.5)
    late = Steps()

    async def run() -> Outcome:
        async with StubSite().running() as site:
            late.undo = lambda: site.silent.update(FRONTENDS)  # type: ignore[method-assign]
            settings = Settings(users=10, rate=100, seed=1, before=0.8, after=0.3, patience=0.3, folder=tmp_path)
            runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
            return await runner.run(Drill("swap", "control-swap", lambda: late), Expectation(why="x"))

    outcome = asyncio.run(run())
    assert outcome.figures.failed == len(PASSWORDS)
    assert outcome.figures.redundancy_seconds is None


def test_a_random_sequence_is_the_seeds(tmp_path: Path) -> None:
    """The same seed, the same faults in the same order; each judged by its own expectation, and the whole."""

    def names(seed: int) -> list[str]:
        async def run() -> list[Outcome]:
            async with StubSite().running() as site:
                settings = Settings(users=10, rate=100, seed=seed, before=0.3, after=0.2, patience=4, folder=tmp_path)
                runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
                drills = [Drill(f"box{number}-kill", "backend-kill", Steps) for number in range(20)]
                expected = {"backend-kill": Expectation(why="x"), "random": Expectation(why="x")}
                return await runner.sequence(drills, expected, seconds=2)

        outcomes = asyncio.run(run())
        assert outcomes[-1].name == "random"
        assert outcomes[-1].figures.requests == sum(outcome.figures.requests for outcome in outcomes[:-1])
        assert all((tmp_path / f"{outcome.name}.jsonl").exists() for outcome in outcomes)
        return [outcome.name for outcome in outcomes[:-1]]

    first, again, other = names(7), names(7), names(8)
    assert first[:2] == again[:2]
    assert first[:2] != other[:2]


def test_a_lab_that_is_not_well_is_refused() -> None:
    """What is broken already would be taken for the drill's doing."""
    refuse_unless_healthy(cast("Lab", StubLab()))
    with pytest.raises(NotHealthy, match=r"frontend1: .*no route to host\n(?s:.*)Next: make status"):
        refuse_unless_healthy(cast("Lab", StubLab(problem="no route to host")))
