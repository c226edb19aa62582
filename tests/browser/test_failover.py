"""What the map shows of machines that stand in for each other. Each test needs several of them in the inventory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import pytest
from playwright.sync_api import expect

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.browser.visit import Visit
from tests.testinfra.redis_wire import primary

New = Callable[..., Visit]

SEEN_MS = 30_000
FAIL_OVER_SECONDS = 30


@pytest.fixture(scope="module")
def redis(lab: Lab) -> list[Box]:
    return several(lab, "redis")


@pytest.fixture(scope="module")
def mysql(lab: Lab) -> list[Box]:
    return several(lab, "mysql")


@pytest.fixture(scope="module")
def homes(lab: Lab) -> dict[str, list[str]]:
    """The floating addresses that are at home on each frontend."""
    frontends = lab.tier("frontends")
    if not frontends[0].vars["www_floating_addresses"]:
        pytest.skip("the inventory has no floating addresses")
    return {box.name: list(box.role("keepalived")["__keepalived_home"]) for box in frontends}


def several(lab: Lab, tier: str) -> list[Box]:
    boxes = lab.tier(tier)
    if len(boxes) < 2:
        pytest.skip(f"the inventory has a single machine in `{tier}`")
    return boxes


def expect_role(here: Visit, box: Box, role: str, state: str = "up") -> None:
    machine = here.machine(box.name)
    expect(machine).to_have_attribute("data-role", role, timeout=SEEN_MS)
    expect(machine).to_have_attribute("data-state", state, timeout=SEEN_MS)


def expect_holders(here: Visit, holders: dict[str, list[str]]) -> None:
    for name, addresses in holders.items():
        expect(here.machine(name)).to_have_attribute("data-holds", " ".join(addresses), timeout=SEEN_MS)


def test_the_map_shows_the_primary_and_its_replicas(visit: New, lab: Lab, redis: list[Box]) -> None:
    """Whichever it is at the moment; also in words, and in the list."""
    here, leader = visit(), primary(lab)
    for box in redis:
        expect_role(here, box, "primary" if box == leader else "replica")
        word = "primário" if box == leader else "réplica"
        expect(here.machine(box.name)).to_contain_text(word)
        expect(here.page.locator(f'#share [data-name="{box.name}"]')).to_contain_text(word)
        expect(here.page.locator("#map desc")).to_contain_text(f"{box.name} ({word})")


def test_the_map_shows_the_members_of_the_cluster(visit: New, mysql: list[Box]) -> None:
    """All backends use the first of them."""
    here = visit()
    for number, box in enumerate(mysql):
        expect_role(here, box, "member" if number else "used")


def test_the_map_shows_who_holds_which_address(visit: New, homes: dict[str, list[str]]) -> None:
    """While all frontends work, each address is at home."""
    here = visit()
    expect_holders(here, homes)
    for name, addresses in homes.items():
        expect(here.page.locator("#map desc")).to_contain_text(f"{name} ({', '.join(addresses)})")


def test_the_path_of_a_request_has_one_redis(visit: New, lab: Lab, ana: dict[str, str], redis: list[Box]) -> None:
    """A backend asks the primary only."""
    here, leader = visit(), primary(lab)
    expect_role(here, leader, "primary")
    here.logged_in(ana).ask()
    lit = {box.name for box in redis if here.machine(box.name).get_attribute("data-lit") is not None}
    assert lit == {leader.name}


@pytest.mark.disruptive
def test_another_redis_becomes_the_primary_during_the_show(
    visit: New, lab: Lab, ana: dict[str, str], redis: list[Box]
) -> None:
    """The former one returns as a replica. Nobody is logged out."""
    former = primary(lab)
    here = visit().logged_in(ana)
    expect_role(here, former, "primary")
    with former.stopped(*former.units):
        expect_role(here, former, "apart", state="down")
        wait_until(lambda: former != primary_of(here, redis), "the map shows another primary", FAIL_OVER_SECONDS)
        assert here.ask().status == "200"
        here.shoot("another-primary")
    expect_role(here, former, "replica")


def primary_of(here: Visit, redis: list[Box]) -> Box | None:
    shown = [box for box in redis if here.machine(box.name).get_attribute("data-role") == "primary"]
    return shown[0] if len(shown) == 1 else None


@pytest.mark.disruptive
def test_a_database_leaves_the_cluster_during_the_show(visit: New, mysql: list[Box]) -> None:
    """Backends use the next one, and return to the first when it is back."""
    first, second = mysql[:2]
    here = visit()
    expect_role(here, first, "used")
    with first.stopped(*first.units):
        expect_role(here, first, "apart", state="down")
        expect_role(here, second, "used")
    expect_role(here, first, "used")
    expect_role(here, second, "member")


@pytest.mark.disruptive
def test_an_address_moves_during_the_show(
    visit: New, lab: Lab, ana: dict[str, str], homes: dict[str, list[str]]
) -> None:
    """Another frontend takes over what a frontend without nginx gives up, and gives it back."""
    here = visit().logged_in(ana)
    connected = here.ask().frontend
    dead = next(box for box in several(lab, "frontends") if box.name != connected)
    here.expected.append("/status/")  # nobody answers there for a moment
    every = sorted(chain(*homes.values()))
    expect_holders(here, homes)
    with dead.stopped("nginx.service"):
        expect_holders(here, {dead.name: []})
        expect(here.machine(dead.name)).to_contain_text("sem endereço")
        wait_until(lambda: held(here, homes) == every, "others hold them", FAIL_OVER_SECONDS)
        assert here.ask().status == "200"
        here.shoot("address-moved")
    expect_holders(here, homes)
    expect(here.machine(dead.name)).to_have_attribute("data-state", "up", timeout=SEEN_MS)


def held(here: Visit, frontends: dict[str, list[str]]) -> list[str]:
    shown = [here.machine(name).get_attribute("data-holds") or "" for name in frontends]
    return sorted(address for addresses in shown for address in addresses.split())
