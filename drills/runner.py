"""Runs a drill: users send requests before, during and after a fault, and the oracle judges every answer."""

from __future__ import annotations

import asyncio
import contextlib
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from drills import events as event_log
from drills.browser import Browser, Site
from drills.catalogue import Drill, UnknownDrill
from drills.events import Event
from drills.expectations import Expectation, InvalidExpectation
from drills.fault import Fault
from drills.load import Load
from drills.oracle import Metrics, Phases, Topology, Verdict, full_redundancy_at, judge, measure
from drills.resolver import Resolve, Resolver
from drills.virtual_user import VirtualUser
from lab.health import unhealthy
from lab.inventory import Inventory
from lab.logs import ERROR_LOG
from lab.machines import SERVERS_IN_USE, Box, Lab
from lab.power import ProviderError
from lab.waiting import SLOW

POLL_SECONDS = 0.5
STOP_SECONDS = 20
"""How long to wait for the last answers; a user gives up sooner."""


class UnhealthyLab(RuntimeError):
    """The lab is not in a state in which a drill can start."""


@dataclass(frozen=True)
class Settings:
    """How to run the drills; all times are in seconds.

    Args:
        before, after: how long the load runs without a fault.
        recovery: how long to wait for full redundancy.
        ca_file: trusted for https instead of the lab's certificate authority, or the system's.
    """

    users: int
    rate: float
    seed: int
    before: float
    after: float
    recovery: float = 60 * SLOW
    folder: Path = Path()
    ca_file: Path | None = None


@dataclass(frozen=True)
class Run:
    """One fault under load, not judged yet. `problems` are those of the fault itself."""

    name: str
    drill: Drill
    fault: Fault
    phases: Phases
    recovered_at: float | None
    is_fully_redundant: bool
    problems: list[str]


@dataclass(frozen=True)
class Outcome:
    """The result of a drill, which passed if it has no problems."""

    name: str
    kind: str
    expectation: Expectation
    phases: Phases
    metrics: Metrics
    events: Sequence[Event]
    lag_seconds: float
    problems: Sequence[str]
    journals: str


class Runner:
    """Runs drills on a lab.

    Args:
        passwords: those of the virtual users.
    """

    def __init__(self, lab: Lab, passwords: dict[str, str], settings: Settings) -> None:
        self.lab, self.settings = lab, settings
        self._passwords = passwords
        frontend, backend = lab.tier("frontends")[0], lab.tier("backends")[0]
        self._site = Site(lab.site_url, settings.ca_file or lab.ca_file)
        self._cookie_name = str(backend.role("app")["app_cookie_name"])
        self._pages = pages(Path(str(frontend.vars["nginx_web_source"])))
        # Users ask the first name server as long as it answers, so nobody meets the others without a fault.
        self.topology = Topology(lab.names("frontends"), lab.names("backends"), lab.addresses("dns")[:1])

    async def run(self, drill: Drill, expectation: Expectation) -> Outcome:
        """Run one drill, with users who log in for it."""
        fault = await asyncio.to_thread(drill.make)
        try:
            await asyncio.to_thread(fault.prepare)
            async with self._load(fault.make_browser) as load:
                run = await self._run_fault(load, drill, fault, drill.name)
            # The load has ended, so requests that never got an answer count as well.
            return await asyncio.to_thread(self._judge, run, load.events, load.lag_seconds, expectation)
        finally:
            await _to_completion(fault.clean_up)

    async def run_random(
        self, drills: Sequence[Drill], expectations: dict[str, Expectation], seconds: float
    ) -> list[Outcome]:
        """Run random drills one after the other for some time, while the same users stay logged in.

        The seed decides which. Each has its own outcome; the last outcome is that of the whole.
        """
        rng = Random(self.settings.seed)
        runs: list[Run] = []
        candidates = [drill for drill in drills if drill.is_for_random]
        async with self._load(Browser) as load:
            started = time.time()
            while time.time() - started < seconds and (not runs or runs[-1].is_fully_redundant):
                drill = rng.choice(candidates)
                fault = await asyncio.to_thread(drill.make)
                runs.append(await self._run_fault(load, drill, fault, f"random-{len(runs) + 1:02d}-{drill.name}"))
        outcomes = []
        for run, following in zip(runs, [*runs[1:], None], strict=True):
            until = following.phases.started if following else math.inf
            events = [event for event in load.events if run.phases.started <= event.at < until]
            outcomes.append(
                await asyncio.to_thread(self._judge, run, events, load.lag_seconds, expectations[run.drill.kind])
            )
        phases = Phases(started, runs[0].phases.injected, runs[-1].phases.undone, runs[-1].phases.ended)
        expectation, metrics = expectations["random"], measure(load.events, phases, self.topology)
        problems = list(expectation.violations(metrics))
        problems += [f"{outcome.name}: {problem}" for outcome in outcomes for problem in outcome.problems]
        event_log.write(self.settings.folder / "random.jsonl", load.events)
        whole = Outcome(
            "random", "random", expectation, phases, metrics, load.events, load.lag_seconds, problems, journals=""
        )
        return [*outcomes, whole]

    async def _run_fault(self, load: Load, drill: Drill, fault: Fault, name: str) -> Run:
        """Inject one fault under load, undo it, and wait until the system has recovered."""
        started = time.time()
        await asyncio.sleep(self.settings.before)
        _print_phase(name, "before", load, started)
        injected, problems = time.time(), list[str]()
        try:
            with _recorded(problems, "the fault could not be injected"):
                await _to_completion(fault.inject)
                await asyncio.sleep(fault.hold_seconds)
        finally:
            with _recorded(problems, "the fault could not be undone"):
                await _to_completion(fault.undo)
        undone = time.time()
        _print_phase(name, "fault", load, injected)
        recovered_at = await self._recovered_at(fault, undone)
        while full_redundancy_at(load.events, undone, self.topology) is None and not self._is_overdue(undone):
            await asyncio.sleep(POLL_SECONDS)
        _print_phase(name, "recovery", load, undone)
        recovery_ended = time.time()
        await asyncio.sleep(self.settings.after)
        _print_phase(name, "after", load, recovery_ended)
        phases = Phases(started, injected, undone, time.time())
        is_fully_redundant = bool(recovered_at and full_redundancy_at(load.events, undone, self.topology))
        return Run(name, drill, fault, phases, recovered_at, is_fully_redundant, problems)

    async def _recovered_at(self, fault: Fault, undone: float) -> float | None:
        """Wait until the machines of a fault report that they have recovered; None if that takes too long."""
        while not self._is_overdue(undone):
            with contextlib.suppress(AssertionError, RuntimeError, ValueError, LookupError):
                if await asyncio.to_thread(fault.has_recovered):
                    return time.time()
            await asyncio.sleep(POLL_SECONDS)
        return None

    def _is_overdue(self, undone: float) -> bool:
        return time.time() >= undone + self.settings.recovery

    def _judge(self, run: Run, events: Sequence[Event], lag_seconds: float, expectation: Expectation) -> Outcome:
        metrics = measure(events, run.phases, self.topology, run.recovered_at)
        problems = [*run.problems, *expectation.violations(metrics), *run.fault.contradictions(events)]
        if run.recovered_at is None:
            problems.append("redundancy_seconds: a machine does not report that it has recovered")
        journals = self._journals(run.fault.boxes, metrics.bad, run.phases.started) if problems else ""
        event_log.write(self.settings.folder / f"{run.name}.jsonl", events)
        kind = run.drill.kind
        return Outcome(run.name, kind, expectation, run.phases, metrics, events, lag_seconds, problems, journals)

    def _journals(self, boxes: Sequence[Box], bad: Sequence[Event], since: float) -> str:
        involved = {box.name for box in boxes} | {event.frontend for event in bad} | {event.backend for event in bad}
        parts = []
        for box in self.lab:
            if box.name in involved and box.units:
                try:
                    text = box.journal(*box.units, since=since - 1, lines=15)
                    if "frontends" in box.tiers:
                        text += box.root(f"tail -n 5 {ERROR_LOG}").stdout
                except Exception as error:
                    text = f"no journal: {error}\n"
                parts.append(f"--- {box.name} ({', '.join(box.units)})\n{text}")
        return "".join(parts)

    @asynccontextmanager
    async def _load(self, make_browser: Callable[[Site, Resolve], Browser]) -> AsyncIterator[Load]:
        """Log all users in, and let them send requests until the body ends."""
        users = [self._user(name, password, make_browser) for name, password in self._passwords.items()]
        load = Load(users, self.settings.rate)
        if failures := await load.log_in():
            raise UnhealthyLab(f"logins failed before the fault: {failures[0]}")
        task = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.stop()
            await asyncio.wait([task], timeout=STOP_SECONDS)
            task.cancel()
        task.result()

    def _user(self, name: str, password: str, make_browser: Callable[[Site, Resolve], Browser]) -> VirtualUser:
        browser = make_browser(self._site, Resolver(self.lab.addresses("dns")).resolve)
        rng = Random(f"{self.settings.seed}-{name}")
        return VirtualUser(name, password, browser, self._cookie_name, self._pages, rng)


def _print_phase(name: str, phase: str, load: Load, since: float) -> None:
    """Print one line about a phase that has just ended: how long it was, and what users got."""
    verdicts = [judge(event) for event in load.events if event.at >= since]
    bad = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in Verdict if kind is not Verdict.GOOD)
    seconds = time.time() - since
    now = f"{datetime.now():%H:%M:%S}"
    print(f"{now}  {name:<28} {phase:<10}{seconds:6.1f} s {len(verdicts):6} requests, {bad}", flush=True)


async def _to_completion(step: Callable[[], None]) -> None:
    """Run a step in a thread; an interruption waits for its end, so that it is never left half done."""
    task = asyncio.create_task(asyncio.to_thread(step))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@contextlib.contextmanager
def _recorded(problems: list[str], what: str) -> Iterator[None]:
    """Record an error of a fault instead of raising it, so that the rest of the drill still happens."""
    try:
        yield
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        problems.append(f"{what}: {error}")


def pages(folder: Path) -> list[str]:
    """The paths of the static pages."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return ["/" if name == "index.html" else f"/{name}" for name in names]


def on_the_lab(play: Callable[[Lab], int]) -> int:
    """Run a program of drills; return its result, 2 if it could not run, or 130 after Ctrl-C."""
    lab = Lab(Inventory.load())
    try:
        return play(lab)
    except (UnknownDrill, UnhealthyLab, ProviderError, InvalidExpectation, AssertionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the fault was undone", file=sys.stderr)
        return 130
    finally:
        lab.close()


def refuse_unless_healthy(lab: Lab) -> None:
    """Raise `UnhealthyLab` unless this is a lab, and every machine answers and runs its units."""
    if not lab.is_for_breaking:
        raise UnhealthyLab(SERVERS_IN_USE)
    if problems := unhealthy(lab):
        lines = "\n".join(f"  {name}: {problem}" for name, problem in problems.items())
        raise UnhealthyLab(f"a drill needs a healthy lab, and these machines are not:\n{lines}\nNext: make status")
