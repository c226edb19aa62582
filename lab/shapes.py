"""The shapes of the map: bands with cards, arrows, labels, in light and dark colours."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

WIDTH, MARGIN = 920, 20
PADDING, HEADER, CARD_HEIGHT, CARD_WIDTH, CARD_GAP = 16, 40, 50, 196, 14
NARROWEST_CARD = 118  # a name such as `frontend12` and an address such as 192.168.156.200
LINE = 19  # a second line of a title
LABEL_LETTER = 7.2  # mean width

USERS = "clients"
"""The users' tier."""

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
    USERS: ("#64748b", "#94a3b8"),
    "dns": ("#7c3aed", "#a78bfa"),
    "frontends": ("#2563eb", "#60a5fa"),
    "backends": ("#047857", "#34d399"),
    "redis": ("#dc2626", "#f87171"),
    "mysql": ("#b45309", "#fbbf24"),
}
OTHER_COLOURS = ("#0e7490", "#22d3ee")
SHAPES = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.tier { font-weight: 650; font-size: 15px; }
.name { font-weight: 600; text-anchor: middle; }
.address { font: 12.5px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; text-anchor: middle; }
.band { fill-opacity: .08; stroke-opacity: .55; stroke-width: 1.25; }
.flow { fill: none; stroke-width: 1.4; }
.number { font-weight: 700; font-size: 11.5px; text-anchor: middle; }"""


def style(tiers: Iterable[str]) -> str:
    """Shapes, then light colours, then dark ones."""
    rules: tuple[list[str], list[str]] = ([], [])
    for light_or_dark, lines in enumerate(rules):
        lines += [f"{selector} {{ {colours[light_or_dark]} }}" for selector, colours in COLOURS.items()]
        for tier in tiers:
            colour = TIER_COLOURS.get(tier, OTHER_COLOURS)[light_or_dark]
            lines.append(f".band.{tier} {{ fill: {colour}; stroke: {colour} }}")
            lines.append(f".tier.{tier} {{ fill: {colour} }}")
    return "\n".join([SHAPES, *rules[0], "@media (prefers-color-scheme: dark) {", *rules[1], "}"])


@dataclass(frozen=True)
class Band:
    """One tier: a coloured box with a card for each of its machines."""

    tier: str
    title: str
    what: str
    machines: list[tuple[str, str]]
    """(name, address) of each machine."""
    row: int
    x: float
    y: float
    width: float
    header: float
    """Height of the title, which has one or two lines."""

    @property
    def columns(self) -> int:
        fit = int((self.width - 2 * PADDING + CARD_GAP) // (NARROWEST_CARD + CARD_GAP))
        rows = math.ceil(len(self.machines) / fit)
        return math.ceil(len(self.machines) / rows)

    @property
    def height(self) -> float:
        rows = math.ceil(len(self.machines) / self.columns)
        return self.header + rows * CARD_HEIGHT + (rows - 1) * CARD_GAP + PADDING

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
        """The middle of each column of cards, where arrows start and end."""
        step = self.card_width + CARD_GAP
        return [self.middle + (column - (self.columns - 1) / 2) * step for column in range(self.columns)]

    def svg(self) -> str:
        below = f'x="{self.x + PADDING:g}" dy="{LINE}"' if self.header > HEADER else 'dx="10"'
        frame = f'x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" rx="12"'
        parts = [
            f'<rect class="page" {frame}/>',  # hides the arrows that pass behind
            f'<rect class="band {self.tier}" {frame}/>',
            f'<text x="{self.x + PADDING:g}" y="{self.y + 26:g}"><tspan class="tier {self.tier}">{escape(self.title)}'
            f'</tspan><tspan class="soft" {below}>{escape(self.what)}</tspan></text>',
        ]
        for number, (name, address) in enumerate(self.machines):
            x = self.centres[number % self.columns]
            y = self.y + self.header + number // self.columns * (CARD_HEIGHT + CARD_GAP)
            corner = f'x="{x - self.card_width / 2:g}" y="{y:g}"'
            parts += [
                f'<rect class="card" {corner} width="{self.card_width:g}" height="{CARD_HEIGHT}" rx="8"/>',
                f'<text class="name" x="{x:g}" y="{y + 21:g}">{escape(name)}</text>',
                f'<text class="address soft" x="{x:g}" y="{y + 39:g}">{escape(address)}</text>',
            ]
        return "\n".join(parts)


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """An arrow from the first point to the second; between two rows it leaves and arrives vertically."""
    bend = (y2 - y1) / 2
    path = f"M{x1:g} {y1:g}" + (
        f"C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" if bend else f"L{x2:g} {y2:g}"
    )
    return f'<path class="flow" d="{path}" marker-end="url(#head)"/>'


def label(step: int, words: str, x: float, y: float) -> str:
    """The numbered label of a step, centred on a point as far as the page allows."""
    width = 46 + LABEL_LETTER * len(words)
    left = max(MARGIN, min(x - width / 2, WIDTH - MARGIN - width))
    return (
        f'<rect class="pill" x="{left:g}" y="{y - 13:g}" width="{width:g}" height="26" rx="13"/>'
        f'<circle class="step" cx="{left + 14:g}" cy="{y:g}" r="9"/>'
        f'<text class="number" x="{left + 14:g}" y="{y + 4:g}">{step}</text>'
        f'<text x="{left + 31:g}" y="{y + 4.5:g}">{escape(words)}</text>'
    )
