"""The show: machines change, the user stays logged in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from lab.machines import Lab
from lab.waiting import wait_until
from tests.browser.visit import Visit
from tests.testinfra.redis_wire import primary

New = Callable[..., Visit]

REQUESTS = 20
BROWSERS = 30
"""This many new browsers reach every frontend, whatever the order of DNS answers."""

SEEN_MS = 30_000


def test_the_map_shows_every_machine(visit: New, lab: Lab) -> None:
    """It is drawn from the inventory: a fourth backend or a new tier needs no change of the page."""
    here = visit()
    for tier in [tier for tier in lab.tiers if tier != "clients"]:
        for name in lab.names(tier):
            expect(here.machine(name)).to_be_visible()
    for name in lab.names("backends") + lab.names("redis") + lab.names("mysql"):
        expect(here.machine(name)).to_have_attribute("data-state", "up", timeout=SEEN_MS)


def test_requests_go_to_every_backend_in_one_session(visit: New, lab: Lab, ana: dict[str, str]) -> None:
    """After one login, every backend answers some of the requests, in the same session."""
    here = visit().logged_in(ana)
    sessao, visitas = here.field("sessao").inner_text(), int(here.field("visitas").inner_text())
    before = Counter(row.backend for row in here.rows())
    rows = [here.ask() for _ in range(REQUESTS)]
    shares = Counter(row.backend for row in rows)
    assert {row.status for row in rows} == {"200"}
    assert set(shares) == set(lab.names("backends"))
    assert min(shares.values()) >= REQUESTS // len(shares) // 2
    assert here.field("sessao").inner_text() == sessao
    assert int(here.field("visitas").inner_text()) == visitas + REQUESTS
    for name in shares:
        expect(here.page.locator(f'#share [data-share="{name}"]').first).to_contain_text(
            str(shares[name] + before[name])
        )
    here.shoot("show")


def test_the_path_of_a_request_is_highlighted(visit: New, ana: dict[str, str]) -> None:
    """The map highlights the machines that answered."""
    here = visit().logged_in(ana)
    row = here.ask()
    for name in (row.frontend, row.backend):
        expect(here.page.locator(f'#map [data-lit][data-machine="{name}"]')).to_be_visible()


def test_a_new_browser_may_reach_any_frontend(visit: New, lab: Lab, ana: dict[str, str]) -> None:
    """Each new browser asks DNS; the cookie of one login is valid at every frontend."""
    here = visit().logged_in(ana)
    sessao, seen = here.field("sessao").inner_text(), set()
    for _ in range(BROWSERS):
        other = visit(storage_state=here.cookies()).as_returning()
        expect(other.field("sessao")).to_have_text(sessao)
        seen.add(other.ask().frontend)
        other.page.close()
        if seen == set(lab.names("frontends")):
            return
    raise AssertionError(f"{BROWSERS} browsers reached only {seen}")


def test_a_new_connection_is_shown(visit: New, ana: dict[str, str]) -> None:
    """With the switch, each request uses a new connection; without it, the browser reuses one."""
    here = visit().logged_in(ana)
    assert not here.ask().new_connection
    here.page.locator("#new-connection").check()
    wait_until(lambda: here.ask().new_connection, "the connections that were open are used up")
    assert [here.ask().new_connection for _ in range(6)] == [True] * 6


def test_a_steady_pace_runs_until_it_is_stopped(visit: New, lab: Lab, ana: dict[str, str]) -> None:
    """The page keeps sending requests while the teacher speaks."""
    here = visit().logged_in(ana)
    here.page.locator("#rate").fill("10")
    here.page.locator("#rhythm").click()
    expect(here.page.locator("#rhythm")).to_have_attribute("aria-pressed", "true")
    here.wait_for_requests(REQUESTS)
    here.page.locator("#rhythm").click()
    expect(here.page.locator("#rhythm")).to_have_attribute("aria-pressed", "false")
    assert {row.status for row in here.rows()} == {"200"}


def test_a_steady_pace_stops_by_itself(visit: New, ana: dict[str, str]) -> None:
    """A forgotten window stops after a minute of the page's clock, which the test advances."""
    here = visit().logged_in(ana)
    here.page.clock.install()
    here.page.locator("#rhythm").click()
    expect(here.page.locator("#rhythm")).to_have_attribute("aria-pressed", "true")
    here.page.clock.fast_forward(61_000)
    expect(here.page.locator("#rhythm")).to_have_attribute("aria-pressed", "false")


@pytest.mark.disruptive
def test_a_backend_fails_during_the_show(visit: New, lab: Lab, ana: dict[str, str]) -> None:
    """It turns red, the others take over and no request fails; then it returns."""
    dead = lab.tier("backends")[-1]
    here = visit().logged_in(ana)
    here.expected.append(f"/status/{dead.name}")
    sessao = here.field("sessao").inner_text()
    expect(here.machine(dead.name)).to_have_attribute("data-state", "up", timeout=SEEN_MS)
    with dead.stopped(*reversed(dead.units)):
        expect(here.machine(dead.name)).to_have_attribute("data-state", "down", timeout=SEEN_MS)
        rows = [here.ask() for _ in range(REQUESTS)]
        here.shoot("backend-down")
    assert {row.status for row in rows} == {"200"}
    assert {row.backend for row in rows} == set(lab.names("backends")) - {dead.name}
    expect(here.machine(dead.name)).to_have_attribute("data-state", "up", timeout=SEEN_MS)
    expect(here.field("sessao")).to_have_text(sessao)


@pytest.mark.disruptive
def test_redis_stops_during_the_show(visit: New, lab: Lab, ana: dict[str, str]) -> None:
    """The page shows a calm message, keeps the user logged in, and continues when Redis is back.

    Of several, all stop, and the map blames the primary: backends ask no other one.
    """
    redis = primary(lab)
    here = visit().logged_in(ana)
    here.expected += ["503"]
    expect(here.machine(redis.name)).to_have_attribute("data-state", "up", timeout=SEEN_MS)
    with lab.outage("redis"):
        assert here.ask().status == "503"
        expect(here.page.locator("#message")).not_to_be_empty()
        expect(here.page.locator("#profile")).to_be_visible()
        wait_until(lambda: "down" in states(here, lab.names("redis")), "the map shows it", SEEN_MS / 1000)
    here.wait_for_status("200")
    expect(here.field("usuario")).to_have_text(ana["usuario"])


def states(here: Visit, names: list[str]) -> set[str | None]:
    return {here.machine(name).get_attribute("data-state") for name in names}
