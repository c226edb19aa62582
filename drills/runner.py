"""Runs one drill: users ask before, while and after something is broken, and the oracle judges all of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from drills import events as log
from drills.browser import Browser, Site
from drills.catalogue import Drill
from drills.events import Event
from drills.expectations import Expectation
from drills.fault import Fault
from drills.load import Load
from drills.oracle import Figures, Full, Judgement, Marks, full_at, judge, measure
from drills.person import Person
from drills.resolver import Resolve, Resolver
from lab.health import unhealthy
from lab.logs import ERROR_LOG
from lab.machines import Box, Lab

POLL_SECONDS = 0.5


class NotHealthy(RuntimeError):
    """The lab is not in the state that a drill begins with."""


@dataclass(frozen=True)
class Settings:
    """How a run is done; all times in seconds."""

    users: int
    rate: float
    seed: int
    before: float
    after: float
    patience: float = 60  # how long full redundancy is waited for
    folder: Path = Path()
    ca_file: Path | None = None  # trusted for https instead of the system's certificate authorities


@dataclass(frozen=True)
class Outcome:
    """What came of one drill. `problems` are sentences; none means that it passed."""

    name: str
    kind: str
    expectation: Expectation
    marks: Marks
    figures: Figures
    events: Sequence[Event]
    lag_seconds: float
    problems: Sequence[str]
    journals: str


@dataclass(frozen=True)
class Step:
    """What was done in one drill, before it is judged. `is_back` tells whether all was well at its end."""

    name: str
    drill: Drill
    marks: Marks
    healed: float | None
    is_back: bool
    problems: list[str]
    fault: Fault


class Runner:
    """Drills on one lab, with users who can log in.

    Args:
        passwords: of the users.
    """

    def __init__(self, lab: Lab, passwords: dict[str, str], settings: Settings) -> None:
        self.lab, self.settings = lab, settings
        self._passwords = passwords
        frontend, backend = lab.tier("frontends")[0], lab.tier("backends")[0]
        self._site = Site(lab.site_url, settings.ca_file)
        self._cookie_name = str(backend.role("app")["app_cookie_name"])
        self._pages = pages(Path(str(frontend.vars["nginx_web_source"])))
        self._nameservers = lab.addresses("dns")
        self.full = Full(lab.names("frontends"), lab.names("backends"), self._nameservers)

    async def run(self, drill: Drill, expectation: Expectation) -> Outcome:
        """One drill from a healthy lab to a healthy lab, with users of its own."""
        fault = await asyncio.to_thread(drill.make)
        try:
            await asyncio.to_thread(fault.prepare)
            async with self._users(fault.make_browser) as load:
                step = await self._under(load, drill, fault, drill.name)
            # Everybody has the answer that was waited for: what never came counts as well.
            return await asyncio.to_thread(self._judged, step, load.events, load.lag_seconds, expectation)
        finally:
            await _to_its_end(fault.clean)

    async def sequence(
        self, drills: Sequence[Drill], expectations: dict[str, Expectation], seconds: float
    ) -> list[Outcome]:
        """Drills one after the other for so long, drawn by the seed; the users stay logged in throughout."""
        rng = Random(self.settings.seed)
        steps: list[Step] = []
        pool = [drill for drill in drills if drill.can_be_shuffled]
        async with self._users(Browser) as load:
            began = time.time()
            while time.time() - began < seconds and (not steps or steps[-1].is_back):
                drill = rng.choice(pool)
                fault = await asyncio.to_thread(drill.make)
                steps.append(await self._under(load, drill, fault, f"random-{len(steps) + 1:02d}-{drill.name}"))
        outcomes = []
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            until = following.marks.began if following else math.inf
            events = [event for event in load.events if step.marks.began <= event.at < until]
            outcomes.append(
                await asyncio.to_thread(self._judged, step, events, load.lag_seconds, expectations[step.drill.kind])
            )
        marks = Marks(began, steps[0].marks.broke, steps[-1].marks.returned, steps[-1].marks.ended)
        figures = measure(load.events, marks, self.full)
        problems = list(expectations["random"].broken_by(figures))
        problems += [f"{outcome.name}: {problem}" for outcome in outcomes for problem in outcome.problems]
        log.write(self.settings.folder / "random.jsonl", load.events)
        whole = Outcome(
            "random", "random", expectations["random"], marks, figures, load.events, load.lag_seconds, problems, ""
        )
        return [*outcomes, whole]

    async def _under(self, load: Load, drill: Drill, fault: Fault, name: str) -> Step:
        """One fault while the load runs."""
        say = self._speaker(name, load)
        began = time.time()
        await asyncio.sleep(self.settings.before)
        say("before", began)
        broke, problems = time.time(), list[str]()
        try:
            with _told_to(problems, "it could not be broken"):
                await _to_its_end(fault.inject)
                await asyncio.sleep(fault.hold_seconds)
        finally:
            with _told_to(problems, "it could not be put back"):
                await _to_its_end(fault.undo)
        returned = time.time()
        say("broken", broke)
        healed = await self._healed(fault, returned)
        while full_at(load.events, returned, self.full) is None and time.time() < returned + self.settings.patience:
            await asyncio.sleep(POLL_SECONDS)
        back = time.time()
        say("returning", returned)
        await asyncio.sleep(self.settings.after)
        say("after", back)
        marks = Marks(began, broke, returned, time.time())
        is_back = healed is not None and full_at(load.events, returned, self.full) is not None
        return Step(name, drill, marks, healed, is_back, problems, fault)

    def _judged(self, step: Step, events: Sequence[Event], lag_seconds: float, expectation: Expectation) -> Outcome:
        figures = measure(events, step.marks, self.full, step.healed)
        problems = [*step.problems, *expectation.broken_by(figures), *step.fault.belied_by(events)]
        if step.healed is None:
            problems.append("redundancy_seconds: a machine does not say that it is well again")
        journals = self._journals(step.fault.boxes, figures.bad, step.marks.began) if problems else ""
        log.write(self.settings.folder / f"{step.name}.jsonl", events)
        kind = step.drill.kind
        return Outcome(step.name, kind, expectation, step.marks, figures, events, lag_seconds, problems, journals)

    async def _healed(self, fault: Fault, returned: float) -> float | None:
        while time.time() < returned + self.settings.patience:
            with contextlib.suppress(AssertionError, RuntimeError, ValueError, LookupError):
                if await asyncio.to_thread(fault.is_healed):
                    return time.time()
            await asyncio.sleep(POLL_SECONDS)
        return None

    def _journals(self, boxes: Sequence[Box], bad: Sequence[Event], since: float) -> str:
        concerned = {box.name for box in boxes} | {event.frontend for event in bad} | {event.backend for event in bad}
        parts = []
        for box in self.lab:
            if box.name in concerned and box.units:
                try:
                    text = box.journal(*box.units, since=since - 1, lines=15)
                    if "frontends" in box.tiers:
                        text += box.root(f"tail -n 5 {ERROR_LOG}").stdout
                except Exception as error:
                    text = f"no journal: {error}\n"
                parts.append(f"--- {box.name} ({', '.join(box.units)})\n{text}")
        return "".join(parts)

    @asynccontextmanager
    async def _users(self, make_browser: Callable[[Site, Resolve], Browser]) -> AsyncIterator[Load]:
        """Everybody logged in and asking, until the body ends."""
        load = Load(
            [self._person(name, password, make_browser) for name, password in self._passwords.items()],
            self.settings.rate,
        )
        if failures := await load.log_in():
            raise NotHealthy(f"logins failed before anything was broken: {failures[0].short()}")
        task = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.stop()
            await asyncio.wait([task], timeout=20)
            task.cancel()
        task.result()

    def _person(self, name: str, password: str, make_browser: Callable[[Site, Resolve], Browser]) -> Person:
        browser = make_browser(self._site, Resolver(self._nameservers).resolve)
        rng = Random(f"{self.settings.seed}-{name}")
        return Person(name, password, browser, self._cookie_name, self._pages, rng)

    @staticmethod
    def _speaker(name: str, load: Load) -> Callable[[str, float], None]:
        """Says one line for each part of a drill, with what users got since the given time."""

        def say(part: str, since: float) -> None:
            judged = [judge(event) for event in load.events if event.at >= since]
            bad = {kind: judged.count(kind) for kind in Judgement if kind is not Judgement.GOOD}
            told = ", ".join(f"{count} {kind}" for kind, count in bad.items())
            seconds = time.time() - since
            print(
                f"{datetime.now():%H:%M:%S}  {name:<28} {part:<10}{seconds:6.1f} s {len(judged):6} requests, {told}",
                flush=True,
            )

        return say


async def _to_its_end(step: Callable[[], None]) -> None:
    """Run a step that must not be left half done, in a thread; an interruption waits for its end."""
    task = asyncio.create_task(asyncio.to_thread(step))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@contextlib.contextmanager
def _told_to(problems: list[str], what: str) -> Iterator[None]:
    """Keep what a fault's step complains of for the report: the rest of the drill still has to be done."""
    try:
        yield
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        problems.append(f"{what}: {error}")


def pages(folder: Path) -> list[str]:
    """The paths of the static pages."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return ["/" if name == "index.html" else f"/{name}" for name in names]


def refuse_unless_healthy(lab: Lab) -> None:
    """Raise `NotHealthy` unless every machine answers and runs its units."""
    if problems := unhealthy(lab):
        lines = "\n".join(f"  {name}: {problem}" for name, problem in problems.items())
        raise NotHealthy(f"A drill needs a healthy lab, but these machines are not healthy:\n{lines}\nNext: make status")
