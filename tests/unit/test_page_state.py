"""What the page concludes about machines of which there are several, from the answers of /status."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.page_scripts import run_script

STATES = 'import { statesOf } from "{assets}/group.js"; const result = statesOf(...argument);'
SHORT = 'import { inShort } from "{assets}/group.js"; const result = inShort(argument);'
HOLDERS = """
import { changes, healthOf, heldBy, hold, loadMachines, meet } from "{assets}/machines.js";
const { names, floating, answers } = argument;
const tiers = [{ name: "frontends", machines: names.map((name) => ({ name })) }];
globalThis.fetch = async () => ({ json: async () => ({ tiers, links: [], floating }), headers: new Map() });
await loadMachines();
const moves = [];
changes.addEventListener("held", ({ detail: { label, holder } }) => moves.push([label, holder]));
for (const [index, holder] of answers) hold(floating[index], holder);
const [held, states] = [names.map((name) => heldBy(name) ?? null), names.map((name) => healthOf(name).state)];
const result = { moves, held, states };
"""

NEW: list[None] = [None, None, None]
AFTER = ["primary", "replica", "replica"]
ADDRESSES = [{"name": f"www{last}", "address": f"192.0.2.{last}"} for last in (20, 21, 22)]
AT_HOME = [[0, "frontend1"], [1, "frontend2"], [2, "frontend3"]]


def states(before: list[Any], said: dict[str, Any]) -> list[tuple[str, str | None]]:
    """State and role of each machine."""
    return [(one["state"], one.get("role")) for one in run_script(STATES, [before, said])]


def test_the_primary_and_its_replicas_are_up() -> None:
    """/status names them by their positions, counted from 1."""
    said = {"ok": True, "ms": 0.4, "primary": 2, "replicas": [1, 3]}
    assert states(NEW, said) == [("up", "replica"), ("up", "primary"), ("up", "replica")]
    assert [one.get("ms") for one in run_script(STATES, [NEW, said])] == [None, 0.4, None]  # nobody measured the others


def test_a_redis_that_the_primary_does_not_see_is_apart() -> None:
    """It may run, but it copies nothing."""
    said = {"ok": True, "ms": 0.4, "primary": 2, "replicas": [3]}
    assert states(AFTER, said)[0] == ("down", "apart")


@pytest.mark.parametrize("named", [{"primary": 1}, {}], ids=["the backend names it", "no primary is known"])
def test_only_the_primary_is_down_if_redis_does_not_answer(named: dict[str, int]) -> None:
    """Backends do not ask the others. The role stays, so that the next answer leads to the same conclusion."""
    expected = [("down", "primary"), ("unknown", None), ("unknown", None)]
    said = {"ok": False, "ms": None} | named
    assert states(AFTER, said) == expected
    assert states([role for _, role in expected], said) == expected


def test_members_that_are_not_in_the_cluster_are_apart() -> None:
    """The member that backends use knows the others."""
    said = {"ok": True, "ms": 1, "used": 2, "members": [2, 3]}
    assert states(NEW, said) == [("down", "apart"), ("up", "used"), ("up", "member")]


def test_all_databases_are_down_if_none_answers() -> None:
    """A backend has asked each of them."""
    said: dict[str, Any] = {"ok": False, "ms": None, "members": []}
    assert states(NEW, said) == [("down", None)] * 3
    assert [state for state, _ in states(["member", "used", "member"], said)] == ["down"] * 3


def test_what_status_does_not_name_is_unknown() -> None:
    """Several databases that are not a cluster."""
    assert states([None, None], {"ok": True, "ms": 1, "used": 1}) == [("up", "used"), ("unknown", None)]


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        (["192.0.2.20"], "192.0.2.20"),
        (["192.0.2.20", "192.0.2.21", "192.0.2.22"], "192.0.2.20, .21, .22"),
        (["192.0.2.20", "198.51.100.21"], "192.0.2.20, 198.51.100.21"),
        (["www20", "www21"], "www20, www21"),
    ],
)
def test_addresses_fit_into_a_card(addresses: list[str], text: str) -> None:
    """One frontend may hold all of them."""
    assert run_script(SHORT, addresses) == text


def after(answers: list[Any], floating: list[dict[str, str]] = ADDRESSES) -> dict[str, Any]:
    names = ["frontend1", "frontend2", "frontend3"]
    return dict(run_script(HOLDERS, {"names": names, "floating": floating, "answers": answers}))


def test_each_frontend_has_the_addresses_that_it_answers_at() -> None:
    """The first answers are no news."""
    assert after(AT_HOME) == {
        "held": [["192.0.2.20"], ["192.0.2.21"], ["192.0.2.22"]],
        "states": ["up", "up", "up"],
        "moves": [],
    }


def test_an_address_that_moves_is_news() -> None:
    """Nobody answers, then another frontend does. The former holder may be well or not."""
    found = after([*AT_HOME, [1, None], [1, "frontend3"], [1, "frontend3"]])
    assert found["held"] == [["192.0.2.20"], [], ["192.0.2.21", "192.0.2.22"]]
    assert found["states"] == ["up", "unknown", "up"]
    assert found["moves"] == [["192.0.2.21", None], ["192.0.2.21", "frontend3"]]


def test_nothing_is_said_before_all_addresses_are_known() -> None:
    """A frontend whose address was not asked for yet is not without one."""
    assert after(AT_HOME[:2])["held"] == [None, None, None]
    assert after([], floating=[])["held"] == [None, None, None]


def test_addresses_that_are_not_shown_have_names() -> None:
    """Real servers keep addresses to themselves."""
    assert after([[0, "frontend2"]], floating=[{"name": "www20"}])["held"] == [[], ["www20"], []]
