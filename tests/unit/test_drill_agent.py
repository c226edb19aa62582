"""The virtual users' browser does as browsers do, and nothing on the quiet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from drills import agent as module
from drills.agent import Agent
from drills.names import DnsNames, FixedNames, NameNotFound
from tests.unit.drill_site import FRONTENDS, NAME, NameServer, Site

FIRST, SECOND = FRONTENDS


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.3)


def on(site: Site, story: Callable[[Agent], Coroutine[Any, Any, None]], *addresses: str) -> None:
    """Tell a story with an agent on a running site."""

    async def run() -> None:
        async with site.running():
            agent = Agent(NAME, FixedNames(*(addresses or FRONTENDS)), site.port)
            await story(agent)
            agent.leave()

    asyncio.run(run())


def test_a_connection_is_kept() -> None:
    """A browser makes no new one for each click; the event tells which requests used a kept one."""
    site = Site()

    async def story(agent: Agent) -> None:
        replies = [await agent.ask("GET", "/") for _ in range(3)]
        assert [reply.tries[0].reused for reply in replies] == [False, True, True]
        agent.leave()
        assert not (await agent.ask("GET", "/")).tries[0].reused

    on(site, story)
    assert len(site.connections) == 2


def test_a_connection_that_the_server_closed_is_opened_anew() -> None:
    """That is no failure, and nothing that a user would see."""

    async def story(agent: Agent) -> None:
        for _ in range(3):
            reply = await agent.ask("GET", "/")
            assert reply.answer is not None
            assert reply.answer.status == 200
            await asyncio.sleep(0.02)  # the end of the connection arrives

    on(Site(close_each=True), story)


def test_a_refusing_address_is_passed_over() -> None:
    """The next one of the answer is tried, and the first failure is told."""

    async def story(agent: Agent) -> None:
        reply = await agent.ask("GET", "/perfil")
        assert reply.answer is not None
        assert [one.address for one in reply.tries] == ["127.0.0.9", FIRST]
        assert "no connection" in reply.tries[0].error
        assert reply.tries[1].error == ""

    on(Site(), story, "127.0.0.9", FIRST)


def test_a_silent_address_costs_the_patience_and_no_more() -> None:
    """Who waits for a frontend that is gone asks the next one."""
    site = Site(silent={FIRST})

    async def story(agent: Agent) -> None:
        reply = await agent.ask("GET", "/perfil")
        assert reply.answer is not None
        assert [one.address for one in reply.tries] == [FIRST, SECOND]
        assert 0.3 <= reply.seconds < 0.9

    on(site, story)


def test_a_kept_connection_that_falls_silent_is_given_up() -> None:
    """The power failed behind it: nobody sends a goodbye."""
    site = Site()

    async def story(agent: Agent) -> None:
        await agent.ask("GET", "/")
        site.silent.add(FIRST)
        reply = await agent.ask("GET", "/")
        assert reply.answer is not None
        assert [(one.address, one.reused) for one in reply.tries] == [(FIRST, True), (SECOND, False)]

    on(site, story)


def test_when_no_address_answers_that_is_told_and_not_raised() -> None:
    """It is what the user got."""

    async def story(agent: Agent) -> None:
        reply = await agent.ask("GET", "/")
        assert reply.answer is None
        assert "none of 2 addresses answered" in reply.error
        assert len(reply.tries) == 2

    on(Site(silent={FIRST, SECOND}), story)


def test_cookies_are_kept_and_forgotten_as_told() -> None:
    """And another cookie may be tried without touching the own one."""

    async def story(agent: Agent) -> None:
        body = json.dumps({"usuario": "drill-01"}).encode()
        await agent.ask("POST", "/login", body=body)
        kept = dict(agent.cookies)
        assert list(kept) == ["sessao"]
        other = await agent.ask("GET", "/perfil", cookies={"sessao": "another"})
        assert other.answer is not None
        assert other.answer.status == 401
        assert agent.cookies == kept
        await agent.ask("POST", "/logout")
        assert agent.cookies == {}

    on(Site(), story)


def test_a_name_is_remembered_for_its_ttl_and_no_longer() -> None:
    """A cache that forgets too late sends users to machines that are gone; too early, it asks too much of DNS."""
    now = [100.0]

    async def story() -> None:
        async with NameServer(["192.0.2.1"], ttl=5).running() as server:
            names = DnsNames(["127.0.0.1"], server.port, clock=lambda: now[0])
            assert await names.addresses(NAME) == ["192.0.2.1"]
            assert names.asked == "127.0.0.1"
            server.addresses = ["192.0.2.2"]
            now[0] += 4.9
            assert await names.addresses(NAME) == ["192.0.2.1"]
            assert (names.asked, server.asked) == ("", 1)
            now[0] += 0.2
            assert await names.addresses(NAME) == ["192.0.2.2"]
            assert server.asked == 2

    asyncio.run(story())


def test_a_known_name_outlives_its_server_until_the_ttl() -> None:
    """What the lab promises when its only name server is away."""
    now = [100.0]

    async def story() -> None:
        async with NameServer(["192.0.2.1"], ttl=5).running() as server:
            names = DnsNames(["127.0.0.1"], server.port, clock=lambda: now[0])
            await names.addresses(NAME)
            server.addresses = []
            now[0] += 4
            assert await names.addresses(NAME) == ["192.0.2.1"]
            now[0] += 2
            with pytest.raises(NameNotFound, match="REFUSED"):
                await names.addresses(NAME)

    asyncio.run(story())
