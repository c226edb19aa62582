"""Virtual users on a small site: the oracle reports nothing on a healthy site, and detects each violation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import pytest

from drills import virtual_user as module
from drills.browser import Browser, Site
from drills.controls import FakeLogout, SwappedSessions
from drills.fault import Fault
from drills.load import Load
from drills.oracle import Metrics, Phases, Topology, measure
from drills.resolver import Resolve, Resolver
from drills.virtual_user import VirtualUser
from tests.unit.drill_site import FRONTENDS, NameServer, StubSite, fixed

SECONDS = 1.5
USERS = 10
NO_TOPOLOGY = Topology([], [])


@pytest.fixture(autouse=True)
def frequent_logouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS", {"perfil": 70, "page": 10, "status": 10, "logout": 10})


def load_on(
    site: StubSite,
    new_resolve: Callable[[], Resolve] = lambda: fixed(*FRONTENDS),
    make_browser: Callable[[Site, Resolve], Browser] = Browser,
) -> Load:
    browsers = [make_browser(Site(site.url), new_resolve()) for _ in range(USERS)]
    pages = ["/", "/style.css"]
    users = [
        VirtualUser(f"drill-{number:02d}", "x", browser, "sessao", pages, Random(number))
        for number, browser in enumerate(browsers, 1)
    ]
    return Load(users, rate=100)


async def measured(
    load: Load, topology: Topology = NO_TOPOLOGY, break_it: Callable[[], None] = lambda: None
) -> Metrics:
    """Run the load, inject a fault halfway, and measure."""
    assert await load.log_in() == []
    started = time.time()
    task = asyncio.create_task(load.run())
    await asyncio.sleep(SECONDS / 2)
    broken = time.time()
    break_it()
    await asyncio.sleep(SECONDS / 2)
    load.stop()
    await task
    return measure(load.events, Phases(started, broken, broken, time.time()), topology)


def test_a_healthy_site_raises_no_alarm() -> None:
    """Users log in and out, replay ended sessions and open pages."""

    async def story() -> Metrics:
        async with StubSite().running() as site, NameServer(list(FRONTENDS), ttl=1).running() as dns:
            load = load_on(site, lambda: Resolver(["127.0.0.1"], dns.port).resolve)
            return await measured(load, Topology([*FRONTENDS.values()], ["backend1", "backend2"], ["127.0.0.1"]))

    metrics = asyncio.run(story())
    assert (metrics.wrong, metrics.lost, metrics.failed) == (0, 0, 0), metrics.bad
    assert metrics.requests > 100
    assert metrics.redundancy_seconds is not None


def test_no_request_fails_when_a_frontend_stops() -> None:
    """Its connections are cut and new ones refused; the metrics show how many users needed the other address."""

    async def story() -> Metrics:
        async with StubSite().running() as site:
            return await measured(load_on(site), break_it=lambda: site.stop(next(iter(FRONTENDS))))

    metrics = asyncio.run(story())
    assert (metrics.wrong, metrics.lost, metrics.failed) == (0, 0, 0), metrics.bad
    assert metrics.retried > 0


def test_a_clean_refusal_ends_no_session() -> None:
    """A 503 with Retry-After is a clean failure; the next good answer is for the same user."""

    async def story() -> Metrics:
        async with StubSite().running() as site:

            def outage() -> None:
                site.down = True
                asyncio.get_running_loop().call_later(0.3, lambda: setattr(site, "down", False))

            return await measured(load_on(site), break_it=outage)

    metrics = asyncio.run(story())
    assert metrics.failed > 0
    assert (metrics.wrong, metrics.lost, metrics.unclean) == (0, 0, 0), metrics.bad


def test_sessions_that_vanish_are_lost() -> None:
    """This happens if Redis loses its data."""

    async def story() -> Metrics:
        async with StubSite().running() as site:
            return await measured(load_on(site), break_it=site.sessions.clear)

    metrics = asyncio.run(story())
    assert 0 < metrics.lost <= USERS
    assert metrics.wrong == 0


@pytest.mark.parametrize("control", [FakeLogout, SwappedSessions])
def test_the_oracle_notices_a_negative_control(control: Callable[[], Fault]) -> None:
    """A logout that only deletes the cookie, and two users with each other's session."""

    async def story() -> Metrics:
        async with StubSite().running() as site:
            return await measured(load_on(site, make_browser=control().make_browser))

    metrics = asyncio.run(story())
    assert metrics.wrong > 0
    assert metrics.failed == 0, metrics.bad


def test_the_rate_is_limited() -> None:
    """A drill is not a stress test: it sends at most a hundred requests per second."""
    with pytest.raises(ValueError, match="at most 100"):
        Load([], rate=101)

    async def story() -> int:
        async with StubSite().running() as site:
            load = load_on(site)
            await measured(load)
            return len(load.events)

    assert asyncio.run(story()) <= 100 * SECONDS + USERS
