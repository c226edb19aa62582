"""The page's map, laid out from tiers and links by the page's own JavaScript."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.unit.page_scripts import run_script

LAY_OUT = """
import { layOut } from "{assets}/layout.js";
const { cards, curves, ...rest } = layOut(...argument);
const result = { ...rest, cards: Object.fromEntries(cards), curves: Object.fromEntries(curves) };
"""

BASE = {"dns": 1, "frontends": 3, "backends": 3, "redis": 1, "mysql": 1}
HA = {"dns": 2, "frontends": 3, "backends": 3, "redis": 3, "mysql": 3}
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
    """The map of tiers with these numbers of machines: `dns-1`, `frontends-1`, …, and the user's card, `you`."""
    tiers = [
        {"name": tier, "title": tier, "text": text, "machines": [{"name": f"{tier}-{n}"} for n in range(1, size + 1)]}
        for tier, size in sizes.items()
    ]
    tiers.append({"name": "users", "title": "you", "text": "the browser", "machines": [{"name": "you"}]})
    return dict(run_script(LAY_OUT, [width, tiers, links]))


def lines_of(layout: dict[str, Any], axis: str) -> list[set[str]]:
    """The tiers in each column (axis x) or row (axis y), in order."""
    places: dict[float, set[str]] = {}
    for card in layout["cards"].values():
        places.setdefault(round(card[axis]), set()).add(card["tier"])
    return [tiers for _, tiers in sorted(places.items())]


def test_columns_follow_the_distance_from_the_user() -> None:
    """The columns show the path of a request. DNS, which forwards nothing, is in the user's column."""
    layout = lay_out(WIDE)
    assert lines_of(layout, "x") == [{"dns", "users"}, {"frontends"}, {"backends"}, {"redis", "mysql"}]
    assert layout["cards"]["dns-1"]["y"] < layout["cards"]["you"]["y"]


def test_on_a_phone_the_columns_become_rows() -> None:
    """Four columns do not fit."""
    layout = lay_out(NARROW)
    assert lines_of(layout, "y") == [{"dns", "users"}, {"frontends"}, {"backends"}, {"redis", "mysql"}]
    assert layout["cards"]["you"]["x"] < layout["cards"]["dns-1"]["x"]


def test_a_new_tier_is_placed_by_its_distance() -> None:
    """Adding a cache for the backends requires no change to the page."""
    layout = lay_out(WIDE, BASE | {"cache": 2}, [*LINKS, ("backends", "cache")])
    assert lines_of(layout, "x")[-1] == {"redis", "mysql", "cache"}
    assert {"backends-3>cache-1", "backends-3>cache-2"} <= set(layout["curves"])


def test_a_tier_behind_the_last_one_gets_its_own_column() -> None:
    """The number of columns is not fixed."""
    layout = lay_out(WIDE, BASE | {"archive": 1}, [*LINKS, ("mysql", "archive")])
    assert lines_of(layout, "x")[-1] == {"archive"}


def test_a_tier_without_incoming_links_is_shown() -> None:
    """Monitoring connects to other tiers, and none connects to it."""
    layout = lay_out(WIDE, BASE | {"monitoring": 1}, [*LINKS, ("monitoring", "backends")])
    assert "monitoring" in lines_of(layout, "x")[-1]
    assert "monitoring-1>backends-1" in layout["curves"]


def test_only_machines_of_linked_tiers_are_joined() -> None:
    """Traffic between the members of a cluster is not part of a request's path."""
    layout = lay_out(WIDE, links=[*LINKS, ("redis", "redis"), ("users", "elsewhere")])
    frontends, backends = ([f"{tier}-{n}" for n in (1, 2, 3)] for tier in ("frontends", "backends"))
    assert set(layout["curves"]) == {
        "you>dns-1",
        *(f"you>{frontend}" for frontend in frontends),
        *(f"{frontend}>{backend}" for frontend in frontends for backend in backends),
        *(f"{backend}>{store}-1" for backend in backends for store in ("redis", "mysql")),
    }


def test_an_empty_tier_takes_no_space() -> None:
    """Some tiers are optional."""
    layout = lay_out(WIDE, BASE | {"dns": 0})
    assert [title["title"] for title in layout["titles"]] == ["you", "frontends", "backends", "redis", "mysql"]


@pytest.mark.parametrize("width", [300, NARROW, 759, 800, WIDE, 1920])
@pytest.mark.parametrize(
    "sizes", [BASE, HA, BASE | {"backends": 12, "cache": 3, "queue": 2, "search": 1}], ids=["base", "ha", "large"]
)
def test_nothing_overlaps(width: int, sizes: dict[str, int]) -> None:
    """Every card is within the map and below its tier's title, whatever the inventory."""
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
