"""docs/map.svg shows the inventory as it is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest

from lab.diagram import diagram
from lab.inventory import ROOT, Inventory

SVG = "{http://www.w3.org/2000/svg}"


def shapes(svg: str, kind: str, of_class: str) -> list[ElementTree.Element]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}{kind}")
    return [element for element in found if of_class in element.get("class", "").split()]


def box(rect: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def test_the_picture_is_that_of_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that nobody redraws is wrong after the first change of an address."""
    monkeypatch.delenv("LAB_SUBNET", raising=False)
    drawn = (ROOT / "docs" / "map.svg").read_text(encoding="utf-8")
    assert drawn == diagram(Inventory.load("inventory/lab")), "docs/map.svg is not up to date: make diagram"


@pytest.mark.parametrize("backends", [1, 3, 12])
def test_every_machine_has_its_card(backends: int) -> None:
    """A tier may grow: nothing is left out, nothing covers anything, nothing sticks out of the page."""
    inventory = Inventory.load("inventory/lab", backends=backends)
    svg = diagram(inventory)
    expected = {text for machine in inventory.hosts() for text in (machine.name, machine.address)}
    texts = {text.text for kind in ("name", "address") for text in shapes(svg, "text", kind)}
    assert texts == expected

    cards = [box(card) for card in shapes(svg, "rect", "card")]
    bands = [box(band) for band in shapes(svg, "rect", "band")]
    assert len(cards) == len(inventory.groups["all"])
    for group in (cards, bands):
        assert [
            (a, b) for a, b in combinations(group, 2) if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        ] == []
    for card in cards:
        assert any(
            band[0] < card[0] and band[1] < card[1] and card[2] < band[2] and card[3] < band[3] for band in bands
        )
        assert card[2] - card[0] >= 110, "a name does not fit into its card"
    page = [float(number) for number in ElementTree.fromstring(svg).attrib["viewBox"].split()]
    assert all(min(band) > 0 and band[2] < page[2] and band[3] < page[3] for band in bands)


def test_the_ports_are_those_of_the_inventory() -> None:
    """Who changes the app's port sees it in the picture."""
    svg = diagram(Inventory.load("inventory/lab", overrides={"app_port": 8123, "nginx_port": 8080}))
    assert re.findall(r":8123\b", svg)
    assert re.findall(r":8080\b", svg)


def test_an_inventory_without_clients_is_drawn() -> None:
    """On real servers the users bring their own computers."""
    svg = diagram(Inventory.load("inventory/production.example"))
    assert "10.20.0.20" in svg
    assert "203.0.113" not in svg
