"""Complete drills against a small site instead of the lab."""

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
from drills.runner import Outcome, Runner, Settings, UnhealthyLab, refuse_unless_healthy
from lab.machines import Lab
from tests.unit.drill_site import FRONTENDS, StubSite, round_robin

PASSWORDS = {f"drill-{number:02d}": "x" for number in range(1, 11)}


class StubBox:
    """A machine that is healthy, or has the given problem."""

    units = ("x.service",)
    role_command = "true"
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

    ca_file = None
    is_for_breaking = True

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
    """The control that swaps two users' sessions, and records its steps; `error` is what `inject` fails with."""

    hold_seconds = 0.5

    def __init__(self, error: str = "") -> None:
        super().__init__()
        self.done: list[str] = []
        self._error = error

    def prepare(self) -> None:
        self.done.append("prepare")

    def inject(self) -> None:
        self.done.append("inject")
        assert not self._error, self._error

    def undo(self) -> None:
        self.done.append("undo")

    def clean_up(self) -> None:
        self.done.append("clean_up")


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
            settings = Settings(users=10, rate=100, seed=1, before=0.8, after=0.5, recovery=4, folder=folder)
            runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
            drill = runner.run(Drill("swap", "control-swap", lambda: fault), expectation)
            return await (story(drill) if story else drill)

    return asyncio.run(run())


def test_a_drill_runs_in_order_and_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a line for each phase, and writes every request to the raw file."""
    fault = Steps()
    outcome = drilled(tmp_path, fault, Expectation(why="x", wrong="some", lost="any"))
    assert fault.done == ["prepare", "inject", "undo", "clean_up"]
    assert list(outcome.problems) == []
    assert outcome.metrics.wrong > 0
    assert outcome.metrics.redundancy_seconds is not None
    assert outcome.phases.undone - outcome.phases.injected >= fault.hold_seconds
    assert len(read(tmp_path / "swap.jsonl")) == outcome.metrics.requests
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["before", "fault", "recovery", "after"]


def test_a_problem_comes_with_journals(tmp_path: Path) -> None:
    """The oracle notices two users with each other's session, which this expectation does not allow."""
    outcome = drilled(tmp_path, Steps(), Expectation(why="x", lost="any"))
    assert any(problem.startswith("wrong: ") for problem in outcome.problems)
    assert "a line of the journal" in outcome.journals


def test_a_fault_that_cannot_be_injected_is_undone_and_reported(tmp_path: Path) -> None:
    """The fault may be half injected, and a drill without a fault proves nothing."""
    fault = Steps("permission denied")
    outcome = drilled(tmp_path, fault, Expectation(why="x", wrong="any", lost="any"))
    assert fault.done == ["prepare", "inject", "undo", "clean_up"]
    assert len(outcome.problems) == 1
    assert outcome.problems[0].startswith("the fault could not be injected: permission denied")


def test_an_interruption_undoes_the_fault(tmp_path: Path) -> None:
    """Ctrl-C before the fault and in the middle of it, as asyncio passes it on."""
    for moment in (0.3, 1.2):
        fault = Steps()

        async def interrupted(drill: Awaitable[Outcome], moment: float = moment) -> None:
            task = asyncio.ensure_future(drill)
            await asyncio.sleep(moment)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        drilled(tmp_path, fault, Expectation(why="x"), interrupted)
        assert fault.done[-1] == "clean_up"
        assert ("inject" in fault.done) == ("undo" in fault.done)


def test_requests_that_are_still_waiting_at_the_end_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are failures and must appear in the result."""
    monkeypatch.setattr("drills.browser.ANSWER_SECONDS", 2.5)
    late = Steps()

    async def run() -> Outcome:
        async with StubSite().running() as site:
            late.undo = lambda: site.silent.update(FRONTENDS)  # type: ignore[method-assign]
            settings = Settings(users=10, rate=100, seed=1, before=0.8, after=0.3, recovery=0.3, folder=tmp_path)
            runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
            return await runner.run(Drill("swap", "control-swap", lambda: late), Expectation(why="x"))

    outcome = asyncio.run(run())
    assert outcome.metrics.failed == len(PASSWORDS)
    assert outcome.metrics.redundancy_seconds is None


def test_the_seed_decides_the_random_faults(tmp_path: Path) -> None:
    """The same seed gives the same faults in the same order; each and the whole are judged."""

    def names(seed: int) -> list[str]:
        async def run() -> list[Outcome]:
            async with StubSite().running() as site:
                settings = Settings(users=10, rate=100, seed=seed, before=0.3, after=0.2, recovery=4, folder=tmp_path)
                runner = Runner(cast("Lab", StubLab(site.url)), PASSWORDS, settings)
                drills = [Drill(f"box{number}-kill", "backend-kill", Steps) for number in range(20)]
                expected = {"backend-kill": Expectation(why="x"), "random": Expectation(why="x")}
                return await runner.run_random(drills, expected, seconds=2)

        outcomes = asyncio.run(run())
        assert outcomes[-1].name == "random"
        assert outcomes[-1].metrics.requests == sum(outcome.metrics.requests for outcome in outcomes[:-1])
        assert all((tmp_path / f"{outcome.name}.jsonl").exists() for outcome in outcomes)
        return [outcome.name for outcome in outcomes[:-1]]

    first, again, other = names(7), names(7), names(8)
    assert first[:2] == again[:2]
    assert first[:2] != other[:2]


def test_an_unhealthy_lab_is_refused() -> None:
    """Existing problems would look like effects of the drill."""
    refuse_unless_healthy(cast("Lab", StubLab()))
    with pytest.raises(UnhealthyLab, match=r"frontend1: .*no route to host\n(?s:.*)Next: make status"):
        refuse_unless_healthy(cast("Lab", StubLab(problem="no route to host")))


def test_servers_with_users_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs drills begins with this."""
    monkeypatch.setattr(StubLab, "is_for_breaking", False)
    with pytest.raises(UnhealthyLab, match="its servers have users"):
        refuse_unless_healthy(cast("Lab", StubLab()))
