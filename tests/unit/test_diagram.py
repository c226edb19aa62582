"""lab/diagram.py draws the inventory, and the maps in docs/ are up to date."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

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


@pytest.mark.parametrize(("name", "inventory"), [("map", "lab"), ("map-ha", "ha")])
def test_the_diagram_is_up_to_date(monkeypatch: pytest.MonkeyPatch, name: str, inventory: str) -> None:
    """A changed inventory needs `make diagram`."""
    monkeypatch.delenv("LAB_SUBNET", raising=False)
    drawn = (ROOT / "docs" / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == diagram(Inventory.load(f"inventory/{inventory}")), f"{name}.svg is not up to date: make diagram"


def tier(label: str, asked_by: list[str], *ports: int) -> dict[str, Any]:
    """An entry of `tiers` with the keys that the diagram uses."""
    texts = {"label": {"en": label}, "runs": {"en": f"the daemon of {label}"}, "machine": label.lower()}
    return texts | {"serves": [{"proto": "tcp", "ports": list(ports), "from": asked_by}] if ports else []}


def with_tiers(folder: Path, more: dict[str, tuple[dict[str, Any], int]], **serves: list[Any]) -> Inventory:
    """The lab with additional tiers (entry, number of machines), and other tiers' `serves` replaced."""
    lab = Path(shutil.copytree(ROOT / "inventory" / "lab", folder / "lab"))
    addresses = iter(range(150, 200))
    hosts = {
        name: {"hosts": {f"{name}{n}": {"ansible_host": f"172.20.0.{next(addresses)}"} for n in range(1, size + 1)}}
        for name, (_, size) in more.items()
    }
    (lab / "more.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}), encoding="utf-8")
    tiers = Inventory.load("inventory/lab").tiers | {name: entry for name, (entry, _) in more.items()}
    tiers |= {name: tiers[name] | {"serves": entries} for name, entries in serves.items()}
    return Inventory.load(lab, overrides={"tiers": tiers})


def corners(svg: str) -> dict[str, tuple[float, float]]:
    """The top left corner of each tier's band."""
    return {
        name: box(band)[:2]
        for band in shapes(svg, "rect", "band")
        for name in band.attrib["class"].split()
        if name != "band"
    }


def labels(svg: str) -> list[str]:
    """The numbered labels in their order."""
    texts = list(ElementTree.fromstring(svg).iter(f"{SVG}text"))
    numbers = [index for index, text in enumerate(texts) if text.get("class") == "number"]
    assert [texts[index].text for index in numbers] == [str(n) for n in range(1, len(numbers) + 1)]
    return [str(texts[index + 1].text) for index in numbers]


def check(svg: str, inventory: Inventory) -> None:
    """Every machine has a card in a band, nothing overlaps, and everything is within the page."""
    expected = {text for machine in inventory.hosts() for text in (machine.name, machine.address)}
    texts = {text.text for kind in ("name", "address") for text in shapes(svg, "text", kind)}
    assert texts == expected

    cards, bands, pills = ([box(rect) for rect in shapes(svg, "rect", kind)] for kind in ("card", "band", "pill"))
    assert len(cards) == len(inventory.groups["all"])
    for group in (cards, bands + pills):
        assert [
            (a, b) for a, b in combinations(group, 2) if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        ] == []
    for card in cards:
        assert any(
            band[0] < card[0] and band[1] < card[1] and card[2] < band[2] and card[3] < band[3] for band in bands
        )
        assert card[2] - card[0] >= 110, "a name does not fit into its card"
    page = [float(number) for number in ElementTree.fromstring(svg).attrib["viewBox"].split()]
    assert all(min(rect) > 0 and rect[2] < page[2] and rect[3] < page[3] for rect in bands + pills)


@pytest.mark.parametrize("backends", [1, 3, 12])
def test_every_machine_has_its_card(backends: int) -> None:
    """A tier can have any number of machines."""
    inventory = Inventory.load("inventory/lab", backends=backends)
    check(diagram(inventory), inventory)


def test_rows_follow_the_distance_from_the_users(tmp_path: Path) -> None:
    """DNS uses no other tier and is beside the users; a new tier is placed by its distance."""
    cache = tier("Cache", ["backends"], 11211)
    archive = tier("Archive", ["mysql"], 9000)
    inventory = with_tiers(tmp_path, {"cache": (cache, 2), "archive": (archive, 1)})
    svg = diagram(inventory)
    check(svg, inventory)
    rows: dict[float, set[str]] = {}
    for name, (_, y) in corners(svg).items():
        rows.setdefault(y, set()).add(name)
    assert [rows[y] for y in sorted(rows)] == [
        {"clients", "dns"},
        {"frontends"},
        {"backends"},
        {"redis", "mysql", "cache"},
        {"archive"},
    ]
    assert "TCP :11211, to one cache" in labels(svg)
    assert "TCP :9000, to archive1" in labels(svg)


def test_connections_upwards_and_sideways_are_drawn(tmp_path: Path) -> None:
    """Monitoring connects to the tiers above it, and a tier may use its neighbour."""
    more = {
        "monitoring": (tier("Monitoring", []), 1),
        "cache": (tier("Cache", ["backends"], 11211), 1),
        "ntp": (tier("NTP", ["anyone"], 123), 2),
    }
    backends = [
        {"proto": "tcp", "ports": [8000], "from": ["frontends"]},
        {"proto": "tcp", "ports": [9100], "from": ["monitoring"]},
    ]
    redis = [{"proto": "tcp", "ports": [6379, 26379], "from": ["backends", "cache", "redis"]}]
    inventory = with_tiers(tmp_path, more, backends=backends, redis=redis)
    svg = diagram(inventory)
    check(svg, inventory)
    found = labels(svg)
    assert "TCP :9100, to one backend" in found
    assert found.count("TCP :6379, :26379, to redis1") == 2


def test_many_tiers_fit(tmp_path: Path) -> None:
    """More than three tiers at one distance take several rows."""
    more = {f"store{n}": (tier(f"Store {n}", ["backends"], 7000 + n), n) for n in range(1, 6)}
    inventory = with_tiers(tmp_path, more)
    check(diagram(inventory), inventory)


def test_networks_count_as_users(tmp_path: Path) -> None:
    """Only tiers are drawn as clients of a service; addresses and networks stand for people."""
    frontends = [{"proto": "tcp", "ports": [443], "from": ["198.51.100.0/24", "clients"]}]
    svg = diagram(with_tiers(tmp_path, {}, frontends=frontends))
    assert "www.meutrabalho.com.br :443, to one frontend" in labels(svg)


def test_the_ports_are_those_of_the_inventory() -> None:
    """A changed port appears in the diagram."""
    svg = diagram(Inventory.load("inventory/lab", overrides={"app_port": 8123, "nginx_port": 8080}))
    assert re.findall(r":8123\b", svg)
    assert re.findall(r":8080\b", svg)


def test_an_inventory_without_clients_is_drawn() -> None:
    """Real servers have no machines for users."""
    svg = diagram(Inventory.load("inventory/production.example"))
    assert "10.20.0.20" in svg
    assert "203.0.113" not in svg
