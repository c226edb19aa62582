"""The page's map, laid out from tiers and links by the page's own JavaScript."""

from __future__ import annotations

import json
import subprocess
from itertools import combinations
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

from lab.inventory import ROOT

NODE = compute_driver_executable()[0]  # the one that Playwright brings along

LAY_OUT = """
import { readFileSync } from "node:fs";
import { layOut } from %s;
const { cards, curves, ...rest } = layOut(...JSON.parse(readFileSync(0, "utf8")));
console.log(JSON.stringify({ ...rest, cards: Object.fromEntries(cards), curves: Object.fromEntries(curves) }));
"""

BASE = {"dns": 1, "frontends": 3, "backends": 3, "redis": 1, "mysql": 1}
LINKS = [
    ("users", "dns"),
    ("users", "frontends"),
    ("frontends", "backends"),
    ("backends", "redis"),
    ("backends", "mysql"),
]
WIDE, NARROW = 1280, 390

Links = list[tuple[str, str]]


def lay_out(
    width: float, sizes: dict[str, int] = BASE, links: Links = LINKS, text: str = "nginx receives"
) -> dict[str, Any]:
    """The map of tiers with so many machines each: `dns-1`, `frontends-1`, …, and the user's card, `you`."""
    tiers = [
        {"name": tier, "title": tier, "text": text, "machines": [{"name": f"{tier}-{n}"} for n in range(1, size + 1)]}
        for tier, size in sizes.items()
    ]
    tiers.append({"name": "users", "title": "you", "text": "the browser", "machines": [{"name": "you"}]})
    script = LAY_OUT % json.dumps((ROOT / "app/web/assets/layout.js").as_uri())
    command, given = [NODE, "--input-type=module", "--eval", script], json.dumps([width, tiers, links])
    done = subprocess.run(command, input=given, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def lines_of(layout: dict[str, Any], axis: str) -> list[set[str]]:
    """Tiers by their cards' places along an axis, in order: the columns (x) or the rows (y)."""
    places: dict[float, set[str]] = {}
    for card in layout["cards"].values():
        places.setdefault(round(card[axis]), set()).add(card["tier"])
    return [tiers for _, tiers in sorted(places.items())]


def test_a_tier_stands_as_far_from_the_user_as_its_requests_do() -> None:
    """The columns tell the way of a request; DNS, which passes nothing on, stands beside the user."""
    layout = lay_out(WIDE)
    assert lines_of(layout, "x") == [{"dns", "users"}, {"frontends"}, {"backends"}, {"redis", "mysql"}]
    assert layout["cards"]["dns-1"]["y"] < layout["cards"]["you"]["y"]


def test_on_a_phone_the_columns_become_rows() -> None:
    """There is no room for four columns."""
    layout = lay_out(NARROW)
    assert lines_of(layout, "y") == [{"dns", "users"}, {"frontends"}, {"backends"}, {"redis", "mysql"}]
    assert layout["cards"]["you"]["x"] < layout["cards"]["dns-1"]["x"]


def test_a_new_tier_joins_those_at_its_distance() -> None:
    """A cache for the backends needs no change of the page."""
    layout = lay_out(WIDE, BASE | {"cache": 2}, [*LINKS, ("backends", "cache")])
    assert lines_of(layout, "x")[-1] == {"redis", "mysql", "cache"}
    assert {"backends-3>cache-1", "backends-3>cache-2"} <= set(layout["curves"])


def test_a_tier_behind_the_last_one_is_a_column_of_its_own() -> None:
    """The page has no fixed number of columns."""
    layout = lay_out(WIDE, BASE | {"archive": 1}, [*LINKS, ("mysql", "archive")])
    assert lines_of(layout, "x")[-1] == {"archive"}


def test_a_tier_that_no_request_reaches_is_shown_all_the_same() -> None:
    """Monitoring asks others, and nobody asks it."""
    layout = lay_out(WIDE, BASE | {"monitoring": 1}, [*LINKS, ("monitoring", "backends")])
    assert "monitoring" in lines_of(layout, "x")[-1]
    assert "monitoring-1>backends-1" in layout["curves"]


def test_only_machines_of_linked_tiers_are_joined() -> None:
    """Members of a cluster talk to each other, too; that is no step of a request."""
    layout = lay_out(WIDE, links=[*LINKS, ("redis", "redis"), ("users", "elsewhere")])
    frontends, backends = ([f"{tier}-{n}" for n in (1, 2, 3)] for tier in ("frontends", "backends"))
    assert set(layout["curves"]) == {
        "you>dns-1",
        *(f"you>{frontend}" for frontend in frontends),
        *(f"{frontend}>{backend}" for frontend in frontends for backend in backends),
        *(f"{backend}>{store}-1" for backend in backends for store in ("redis", "mysql")),
    }


def test_a_tier_without_machines_takes_no_room() -> None:
    """An inventory may leave a tier out."""
    layout = lay_out(WIDE, BASE | {"dns": 0})
    assert [title["title"] for title in layout["titles"]] == ["you", "frontends", "backends", "redis", "mysql"]


@pytest.mark.parametrize("width", [300, NARROW, 759, 800, WIDE, 1920])
@pytest.mark.parametrize(
    "sizes", [BASE, BASE | {"backends": 12, "cache": 3, "queue": 2, "search": 1}], ids=["base", "large"]
)
def test_nothing_covers_anything(width: int, sizes: dict[str, int]) -> None:
    """Whatever the inventory holds, every card is on the map and alone in its place, below its tier's title."""
    links = LINKS + [("backends", tier) for tier in sizes if tier not in BASE]
    layout = lay_out(width, sizes, links, text="a text that is far too long for a single line below a title")
    cards = layout["cards"].values()
    assert len(cards) == sum(sizes.values()) + 1
    for card in cards:
        assert card["x"] > 0
        assert card["x"] + card["w"] < layout["width"]
        assert card["y"] + card["h"] < layout["height"]
    for a, b in combinations(cards, 2):
        is_beside = a["x"] + a["w"] < b["x"] or b["x"] + b["w"] < a["x"]
        is_above = a["y"] + a["h"] < b["y"] or b["y"] + b["h"] < a["y"]
        assert is_beside or is_above, (a, b)
    for title in layout["titles"]:
        bottom = title["y"] + 14 + 16 + 14 * (len(title["lines"]) - 1)
        under = [card["y"] for card in cards if card["x"] >= title["x"] - 1 and card["tier"] == title["title"]]
        assert all(bottom < top for top in under)
