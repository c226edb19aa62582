"""Draws the map of the inventory as an SVG: tiers, machines, addresses, and who asks whom at which port.

python -m lab.diagram > docs/map.svg        of inventory/lab; LAB_INVENTORY names another one
"""

import math
import sys
from dataclasses import dataclass
from html import escape

from lab.inventory import Inventory

WIDTH, MARGIN = 920, 20
PADDING, HEADER, CARD_HEIGHT, CARD_WIDTH, CARD_GAP = 16, 40, 50, 196, 14
NARROWEST_CARD = 118  # a name such as `frontend12` and an address such as 192.168.156.200
ROW_GAP = 78  # room for arrows and their words

# Light and dark, spelled out: not every viewer knows CSS variables.
COLOURS = {
    ".page": ("fill: #ffffff", "fill: #0d1117"),
    "text": ("fill: #1f2430", "fill: #e6eaf2"),
    ".soft": ("fill: #5b6478", "fill: #9aa5b8"),
    ".card": ("fill: #ffffff; stroke: #d4d9e3", "fill: #161b22; stroke: #30363d"),
    ".pill": ("fill: #ffffff; stroke: #c3cad8", "fill: #161b22; stroke: #3d4654"),
    ".flow": ("stroke: #a3adbf", "stroke: #566175"),
    ".head": ("fill: #8a93a6", "fill: #6b768a"),
    ".step": ("fill: #1f2430", "fill: #e6eaf2"),
    ".number": ("fill: #ffffff", "fill: #0d1117"),
}
TIER_COLOURS = {
    "users": ("#64748b", "#94a3b8"),
    "dns": ("#7c3aed", "#a78bfa"),
    "frontends": ("#2563eb", "#60a5fa"),
    "backends": ("#047857", "#34d399"),
    "redis": ("#dc2626", "#f87171"),
    "mysql": ("#b45309", "#fbbf24"),
}
SHAPES = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.tier { font-weight: 650; font-size: 15px; }
.name { font-weight: 600; text-anchor: middle; }
.address { font: 12.5px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; text-anchor: middle; }
.band { fill-opacity: .08; stroke-opacity: .55; stroke-width: 1.25; }
.flow { fill: none; stroke-width: 1.4; }
.number { font-weight: 700; font-size: 11.5px; text-anchor: middle; }"""


def style() -> str:
    """Shapes, then colours by daylight, then those that are others in the dark."""
    rules: tuple[list[str], list[str]] = ([], [])
    for light_or_dark, lines in enumerate(rules):
        lines += [f"{selector} {{ {colours[light_or_dark]} }}" for selector, colours in COLOURS.items()]
        for tier, colours in TIER_COLOURS.items():
            lines.append(f".band.{tier} {{ fill: {colours[light_or_dark]}; stroke: {colours[light_or_dark]} }}")
            lines.append(f".tier.{tier} {{ fill: {colours[light_or_dark]} }}")
    return "\n".join([SHAPES, *rules[0], "@media (prefers-color-scheme: dark) {", *rules[1], "}"])


@dataclass(frozen=True)
class Band:
    """One tier: a coloured box with a card for each of its machines."""

    tier: str
    title: str
    what: str
    machines: list[tuple[str, str]]
    """Name and address of each."""
    x: float
    y: float
    width: float

    @property
    def columns(self) -> int:
        fit = int((self.width - 2 * PADDING + CARD_GAP) // (NARROWEST_CARD + CARD_GAP))
        rows = math.ceil(len(self.machines) / fit)
        return math.ceil(len(self.machines) / rows)

    @property
    def height(self) -> float:
        rows = math.ceil(len(self.machines) / self.columns)
        return HEADER + rows * CARD_HEIGHT + (rows - 1) * CARD_GAP + PADDING

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def card_width(self) -> float:
        room = self.width - 2 * PADDING - (self.columns - 1) * CARD_GAP
        return min(CARD_WIDTH, room / self.columns)

    @property
    def centres(self) -> list[float]:
        """Where arrows come in and go out: above and below the cards of a row."""
        step = self.card_width + CARD_GAP
        return [self.middle + (column - (self.columns - 1) / 2) * step for column in range(self.columns)]

    def svg(self) -> str:
        parts = [
            f'<rect class="band {self.tier}" x="{self.x:g}" y="{self.y:g}" '
            f'width="{self.width:g}" height="{self.height:g}" rx="12"/>',
            f'<text x="{self.x + PADDING:g}" y="{self.y + 26:g}"><tspan class="tier {self.tier}">{escape(self.title)}'
            f'</tspan><tspan class="soft" dx="10">{escape(self.what)}</tspan></text>',
        ]
        for number, (name, address) in enumerate(self.machines):
            x = self.centres[number % self.columns]
            y = self.y + HEADER + number // self.columns * (CARD_HEIGHT + CARD_GAP)
            corner = f'x="{x - self.card_width / 2:g}" y="{y:g}"'
            parts += [
                f'<rect class="card" {corner} width="{self.card_width:g}" height="{CARD_HEIGHT}" rx="8"/>',
                f'<text class="name" x="{x:g}" y="{y + 21:g}">{escape(name)}</text>',
                f'<text class="address soft" x="{x:g}" y="{y + 39:g}">{escape(address)}</text>',
            ]
        return "\n".join(parts)


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A line with a head at its second end; between two rows it leaves and arrives upright."""
    bend = (y2 - y1) / 2
    path = f"M{x1:g} {y1:g}" + (
        f"C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" if bend else f"L{x2:g} {y2:g}"
    )
    return f'<path class="flow" d="{path}" marker-end="url(#head)"/>'


def label(step: int, words: str, x: float, y: float) -> str:
    """A step of a request's way: its number and what happens there, around a point."""
    width = 46 + 6.7 * len(words)
    left = x - width / 2
    return (
        f'<rect class="pill" x="{left:g}" y="{y - 13:g}" width="{width:g}" height="26" rx="13"/>'
        f'<circle class="step" cx="{left + 14:g}" cy="{y:g}" r="9"/>'
        f'<text class="number" x="{left + 14:g}" y="{y + 4:g}">{step}</text>'
        f'<text x="{left + 31:g}" y="{y + 4.5:g}">{escape(words)}</text>'
    )


def diagram(inventory: Inventory) -> str:
    """The whole picture."""
    any_machine = inventory.hosts()[0]
    domain = any_machine.vars["lab_domain"]
    guards = any_machine.vars["tier_guards"]
    web_port = inventory.hosts("frontends")[0].role("nginx").vars["nginx_port"]
    ports = {tier: guards[tier][0]["port"] for tier in ("backends", "redis", "mysql")}

    def machines(tier: str) -> list[tuple[str, str]]:
        return [(machine.name, machine.address) for machine in inventory.hosts(tier)]

    whole, side = WIDTH - 2 * MARGIN, 290.0
    half = (whole - 24) / 2
    y = float(MARGIN)
    users = Band("users", "User", "a browser", machines("clients") or [("browser", "anywhere")], MARGIN, y, side)
    dns = Band("dns", "DNS", f"BIND: www.{domain}", machines("dns"), WIDTH - MARGIN - side, y, side)
    y = max(users.bottom, dns.bottom) + ROW_GAP
    frontends = Band("frontends", "Frontends", "nginx: pages, and the way in", machines("frontends"), MARGIN, y, whole)
    y = frontends.bottom + ROW_GAP
    backends = Band("backends", "Backends", "Flask on Gunicorn: login, profile", machines("backends"), MARGIN, y, whole)
    y = backends.bottom + ROW_GAP
    redis = Band("redis", "Sessions", "Redis", machines("redis"), MARGIN, y, half)
    mysql = Band("mysql", "Users", "MariaDB or MySQL", machines("mysql"), MARGIN + half + 24, y, half)
    height = max(redis.bottom, mysql.bottom) + MARGIN

    level = users.y + users.height / 2 + 8
    arrows = [
        arrow(users.x + users.width + 4, level - 8, dns.x - 6, level - 8),
        arrow(dns.x - 4, level + 8, users.x + users.width + 6, level + 8),
        *(arrow(users.middle, users.bottom + 3, x, frontends.y - 6) for x in frontends.centres),
        *(arrow(a, frontends.bottom + 3, b, backends.y - 6) for a in frontends.centres for b in backends.centres),
        *(arrow(x, backends.bottom + 3, redis.middle, redis.y - 6) for x in backends.centres),
        *(arrow(x, backends.bottom + 3, mysql.middle, mysql.y - 6) for x in backends.centres),
    ]
    labels = [
        label(1, "DNS :53, where is www?", WIDTH / 2, level - 36),
        label(2, f"HTTP :{web_port}, to any frontend", dns.middle, frontends.y - ROW_GAP / 2),
        label(3, f"HTTP :{ports['backends']}, to any backend", WIDTH / 2, backends.y - ROW_GAP / 2),
        label(4, f"TCP :{ports['redis']}, the session", redis.middle, redis.y - ROW_GAP / 2),
        label(5, f"TCP :{ports['mysql']}, the user, at login", mysql.middle, mysql.y - ROW_GAP / 2),
    ]
    bands = [users, dns, frontends, backends, redis, mysql]
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 .8 7 4 0 7.2z"/></marker>'
    )
    description = "; ".join(f"{band.title}: {', '.join(f'{n} {a}' for n, a in band.machines)}" for band in bands)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img" aria-labelledby="title description">',
            "<!-- made from the inventory: make diagram -->",
            '<title id="title">The machines and who asks whom</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>\n{style()}\n</style>",
            f"<defs>{head}</defs>",
            '<rect class="page" width="100%" height="100%" rx="14"/>',
            *arrows,
            *(band.svg() for band in bands),
            *labels,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(diagram(Inventory.load()))
