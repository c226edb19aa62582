"""Virtual users on a small site: the oracle is silent while it is well, and sees each thing that is done wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import pytest

from drills import person as module
from drills.browser import Browser, Site
from drills.controls import FakeLogout, SwappedSessions
from drills.fault import Fault
from drills.load import Load
from drills.oracle import Figures, Full, Marks, measure
from drills.person import Person
from drills.resolver import Resolve, Resolver
from tests.unit.drill_site import FRONTENDS, NameServer, StubSite, fixed

SECONDS = 1.5
USERS = 10


@pytest.fixture(autouse=True)
def many_logouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS", {"perfil": 70, "page": 10, "status": 10, "logout": 10})


def everywhere() -> Resolve:
    return fixed(*FRONTENDS)


def load_on(
    site: StubSite,
    resolve: Callable[[], Resolve] = everywhere,
    make_browser: Callable[[Site, Resolve], Browser] = Browser,
) -> Load:
    people = [
        Person(f"drill-{n:02d}", "x", make_browser(Site(site.url), resolve()), "sessao", ["/", "/style.css"], Random(n))
        for n in range(1, USERS + 1)
    ]
    return Load(people, rate=100)


async def asked(load: Load, full: Full, when: Callable[[], None] = lambda: None) -> Figures:
    """Everybody asks for a while; halfway `when` happens."""
    assert await load.log_in() == []
    began = time.time()
    task = asyncio.create_task(load.run())
    await asyncio.sleep(SECONDS / 2)
    broke = time.time()
    when()
    await asyncio.sleep(SECONDS / 2)
    load.stop()
    await task
    return measure(load.events, Marks(began, broke, broke, time.time()), full)


def test_a_site_that_is_well_is_found_well() -> None:
    """Logins, logouts, replays of ended sessions and pages: nothing of it is an alarm."""

    async def story() -> Figures:
        async with StubSite().running() as site, NameServer(list(FRONTENDS), ttl=1).running() as dns:
            load = load_on(site, lambda: Resolver(["127.0.0.1"], dns.port).resolve)
            return await asked(load, Full([*FRONTENDS.values()], ["backend1", "backend2"], ["127.0.0.1"]))

    figures = asyncio.run(story())
    assert (figures.wrong, figures.lost, figures.failed) == (0, 0, 0), figures.bad
    assert figures.requests > 100
    assert figures.redundancy_seconds is not None


def test_a_frontend_that_goes_away_fails_nobody() -> None:
    """Cut connections and refused ones: each user is served by the other address, and it is told how many needed it."""

    async def story() -> Figures:
        async with StubSite().running() as site:
            load = load_on(site)
            return await asked(load, Full([], []), lambda: site.stop(next(iter(FRONTENDS))))

    figures = asyncio.run(story())
    assert (figures.wrong, figures.lost, figures.failed) == (0, 0, 0), figures.bad
    assert figures.retried > 0


def test_a_clean_refusal_logs_nobody_out() -> None:
    """503 counts as failed and as clean, and the next good answer is the same user's."""

    async def story() -> Figures:
        async with StubSite().running() as site:
            load = load_on(site)

            def outage() -> None:
                site.down = True
                asyncio.get_running_loop().call_later(0.3, lambda: setattr(site, "down", False))

            return await asked(load, Full([], []), outage)

    figures = asyncio.run(story())
    assert figures.failed > 0
    assert (figures.wrong, figures.lost, figures.unclean) == (0, 0, 0), figures.bad


def test_sessions_that_vanish_are_lost() -> None:
    """A Redis that forgets, for instance."""

    async def story() -> Figures:
        async with StubSite().running() as site:
            load = load_on(site)
            return await asked(load, Full([], []), site.sessions.clear)

    figures = asyncio.run(story())
    assert 0 < figures.lost <= USERS
    assert figures.wrong == 0


@pytest.mark.parametrize("control", [FakeLogout, SwappedSessions])
def test_the_oracle_sees_the_controls(control: Callable[[], Fault]) -> None:
    """The negative controls in small: a logout that only drops the cookie, and two users' sessions swapped."""

    async def story() -> Figures:
        async with StubSite().running() as site:
            return await asked(load_on(site, make_browser=control().make_browser), Full([], []))

    figures = asyncio.run(story())
    assert figures.wrong > 0
    assert figures.failed == 0, figures.bad


def test_the_rate_is_kept_and_bounded() -> None:
    """A drill is no load test: a hundred requests a second at most."""
    with pytest.raises(ValueError, match="at most 100"):
        Load([], rate=101)

    async def story() -> int:
        async with StubSite().running() as site:
            load = load_on(site)
            await asked(load, Full([], []))
            return len(load.events)

    assert asyncio.run(story()) <= 100 * SECONDS + USERS
