"""Draws the map of the inventory as an SVG: tiers, machines, addresses, and connections with their ports.

python -m lab.diagram inventory/lab > docs/map.svg
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from lab.inventory import Inventory
from lab.shapes import HEADER, LINE, MARGIN, PADDING, USERS, WIDTH, Band, arrow, label, style

BAND_GAP, BESIDE_GAP, BESIDE_WIDTH, PER_ROW = 24, 140, 290, 3
ROW_GAP, LABEL_GAP = 78, 30  # room for arrows and one label; for each further label
TITLE_LETTER, LETTER = 9.0, 6.7  # mean widths

Tiers = Mapping[str, Mapping[str, Any]]
Services = Mapping[tuple[str, str], list[Mapping[str, Any]]]
"""(client tier, server tier) -> the entries of `serves` that apply."""


def services_between(tiers: Tiers) -> Services:
    """The services that one tier uses of another. Addresses, networks and `anyone` count as users."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for tier, entry in tiers.items():
        for service in entry["serves"]:
            for source in {who if who in tiers else USERS: None for who in service["from"]}:
                if source != tier:
                    found.setdefault((source, tier), []).append(service)
    return found


def rows_of(tiers: Iterable[str], links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Tiers by their distance from the users. Tiers that only answer users are in the same row as the users."""
    tiers, links = [USERS, *(tier for tier in tiers if tier != USERS)], list(links)
    distances = {USERS: 0}
    queue = [USERS]
    for tier in queue:
        for source, target in links:
            if source == tier and target not in distances:
                distances[target] = distances[tier] + 1
                queue.append(target)
    last = max(distances.get(tier, 0) for tier in tiers)
    beside = {target for source, target in links if source == USERS} - {source for source, _ in links}
    rows: list[list[str]] = [[] for _ in range(last + 1)]
    for tier in tiers:
        rows[0 if tier in beside else distances.get(tier, last)].append(tier)
    return [row[start : start + PER_ROW] for row in rows for start in range(0, len(row), PER_ROW)]


def ports(services: Iterable[Mapping[str, Any]], site: str = "") -> str:
    """For example "UDP/TCP :53"; `site` replaces the protocols."""
    protocols: dict[str, list[str]] = {}
    for service in services:
        numbers = ", ".join(f":{port}" for port in service.get("ports", []))
        protocols.setdefault(numbers, []).append(service["proto"].upper())
    return "; ".join(f"{site or '/'.join(names)} {numbers}".strip() for numbers, names in protocols.items())


@dataclass(frozen=True)
class Step:
    """A connection between two tiers. Its label is above the band of the tier `above`."""

    source: str
    target: str
    above: str
    words: str


def steps_of(services: Services, rows: list[list[str]], answering: Mapping[str, str], site: str) -> list[Step]:
    """The steps in the order of their labels; `answering` names the machine that answers in each tier."""
    places = {tier: (number, place) for number, row in enumerate(rows) for place, tier in enumerate(row)}
    steps = []
    for (source, target), entries in services.items():
        if source not in places or target not in places:
            continue
        is_down = places[source][0] < places[target][0] or source == USERS
        words = ports(entries, site if (source, target) == (USERS, "frontends") else "")  # `www` names the frontends
        if places[target][0] or not is_down:  # there is little room beside the users
            words += f", to {answering[target]}"
        steps.append(Step(source, target, target if is_down else source, words))
    return sorted(steps, key=lambda step: (places[step.above], step.above == step.source))


def place(
    rows: list[list[str]], tiers: Tiers, machines: Mapping[str, list[tuple[str, str]]], labels: Mapping[str, int]
) -> dict[str, Band]:
    """A band for each tier, with room for the labels above each row."""
    bands: dict[str, Band] = {}
    bottom = 0.0
    for number, row in enumerate(rows):
        if number:
            top = bottom + ROW_GAP + LABEL_GAP * (max(labels.get(tier, 1) for tier in row) - 1)
            width = (WIDTH - 2 * MARGIN - BAND_GAP * (len(row) - 1)) / len(row)
        else:
            top = MARGIN
            width = min(BESIDE_WIDTH, (WIDTH - 2 * MARGIN - BESIDE_GAP * (len(row) - 1)) / len(row))
        step = (WIDTH - 2 * MARGIN - width) / max(1, len(row) - 1)
        texts = [(tiers[tier]["label"]["en"], tiers[tier]["runs"]["en"]) for tier in row]
        widest = max(TITLE_LETTER * len(title) + 10 + LETTER * len(what) for title, what in texts)
        header = HEADER + (LINE if widest > width - 2 * PADDING else 0)
        for index, (tier, (title, what)) in enumerate(zip(row, texts, strict=True)):
            bands[tier] = Band(tier, title, what, machines[tier], number, MARGIN + index * step, top, width, header)
        bottom = max(bands[tier].bottom for tier in row)
    return bands


def arrows_of(step: Step, bands: Mapping[str, Band], rows: list[list[str]]) -> list[str]:
    """One arrow between each pair of card columns; a band that shares its row has a single end point."""
    source, target = bands[step.source], bands[step.target]
    if source.row == target.row:
        y = source.y + source.height / 2
        if source.x > target.x:
            return [arrow(source.x - 4, y, target.x + target.width + 6, y)]
        start, end = source.x + source.width + 4, target.x - 6
        is_lookup = source.tier == USERS  # the answer returns to the user
        return [arrow(start, y, end, y)] + ([arrow(end + 2, y + 16, start + 2, y + 16)] if is_lookup else [])
    if source.row > target.row:
        return [arrow(source.middle, source.y - 3, target.middle, target.bottom + 6)]
    starts = [source.middle] if source.tier == USERS else source.centres
    ends = target.centres if rows[target.row] == [target.tier] else [target.middle]
    return [arrow(a, source.bottom + 3, b, target.y - 6) for a in starts for b in ends]


def labels_of(steps: list[Step], bands: Mapping[str, Band], rows: list[list[str]]) -> list[str]:
    """Labels above their bands; in the first row, between two bands and above their arrows."""
    labels, remaining = [], Counter(step.above for step in steps)
    for number, step in enumerate(steps, start=1):
        band = bands[step.above]
        remaining[band.tier] -= 1
        if band.row == 0:
            before, users = bands[rows[0][rows[0].index(band.tier) - 1]], bands[USERS]
            x, y = (before.x + before.width + band.x) / 2, users.y + users.height / 2 - 28
        else:
            is_alone = rows[band.row] == [band.tier]
            x = band.middle if not is_alone or step.source != USERS else WIDTH  # the users' arrows are on the left
            y = band.y - ROW_GAP / 2 - LABEL_GAP * remaining[band.tier]
        labels.append(label(number, step.words, x, y))
    return labels


def diagram(inventory: Inventory) -> str:
    """The whole diagram as SVG."""
    tiers = inventory.tiers
    machines = {tier: [(machine.name, machine.address) for machine in inventory.hosts(tier)] for tier in tiers}
    machines[USERS] = machines[USERS] or [("browser", "anywhere")]
    answering = {
        tier: machines[tier][0][0] if len(machines[tier]) == 1 else f"one {entry['machine']}"
        for tier, entry in tiers.items()
    }
    services = services_between(tiers)
    rows = [[tier for tier in row if machines[tier]] for row in rows_of(tiers, services)]
    rows = [row for row in rows if row]
    steps = steps_of(services, rows, answering, inventory.hosts()[0].vars["site_name"])
    bands = place(rows, tiers, machines, Counter(step.above for step in steps))
    height = max(band.bottom for band in bands.values()) + MARGIN
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 .8 7 4 0 7.2z"/></marker>'
    )
    description = "; ".join(
        f"{band.title}: {', '.join(f'{n} {a}' for n, a in band.machines)}" for band in bands.values()
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img" aria-labelledby="title description">',
            "<!-- made from the inventory: make diagram -->",
            '<title id="title">The machines and which tier asks which</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>\n{style(bands)}\n</style>",
            f"<defs>{head}</defs>",
            '<rect class="page" width="100%" height="100%" rx="14"/>',
            *(drawn for step in steps for drawn in arrows_of(step, bands, rows)),
            *(band.svg() for band in bands.values()),
            *labels_of(steps, bands, rows),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(diagram(Inventory.load(sys.argv[1])))
