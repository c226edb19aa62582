"""A live view of the site for a terminal: `make watch`.

Sends a request a second on a new connection, as a computer with a DNS cache does: it asks the lab's name server, uses
the first address that answers until the TTL has run out, and then asks again. Without a terminal, it prints lines.

    python -m lab.watch [--count 10] [--interval 1] [--svg FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dns.exception
import dns.resolver
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.inventory import Inventory
from lab.language import Language, language
from lab.machines import Lab

AGENT, HEALTH_AGENT = "revezamento-watch", "revezamento-health"
CONNECT_SECONDS, ANSWER_SECONDS, LOOKUP_SECONDS = 1.0, 7.0, 2.0
HEALTH_SECONDS = 2.0
ROWS = 12

WORDS: dict[str, dict[Language, str]] = {
    "time": {"en": "time", "pt": "hora"},
    "address": {"en": "address", "pt": "endereço"},
    "left": {"en": "TTL left", "pt": "TTL restante"},
    "status": {"en": "status", "pt": "status"},
    "no answer": {"en": "no answer", "pt": "sem resposta"},
    "no name": {"en": "DNS does not answer", "pt": "o DNS não responde"},
    "asked": {"en": "asked again", "pt": "perguntou de novo"},
    "skipped": {"en": "skipped", "pt": "pulou"},
    "end": {"en": "Ctrl-C ends it", "pt": "Ctrl-C encerra"},
}


@dataclass(frozen=True)
class Lookup:
    """An answer of DNS: addresses in its order, and how long it may be kept. Times are in seconds since 1970."""

    addresses: Sequence[str]
    ttl: float
    expires: float


class NoName(RuntimeError):
    """No name server answered."""


class Names:
    """The DNS cache of one computer: asks again when the TTL has run out.

    Args:
        look_up: asks a name server.
    """

    def __init__(self, look_up: Callable[[], Lookup], now: Callable[[], float] = time.time) -> None:
        self._look_up, self._now = look_up, now
        self.current: Lookup | None = None

    def get(self) -> tuple[Lookup, bool]:
        """The current answer, and whether it is a new one.

        Raises:
            NoName: the cache has no answer, and nobody gave one.
        """
        if self.current and self._now() < self.current.expires:
            return self.current, False
        self.current = None
        self.current = self._look_up()
        return self.current, True

    @property
    def left(self) -> float:
        """How long the current answer lives, in seconds; 0 if there is none."""
        return max(0.0, self.current.expires - self._now()) if self.current else 0.0


def ask_dns(name: str, nameservers: Sequence[str]) -> Lookup:
    """Ask the lab's name servers, in their order."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = list(nameservers)
    resolver.timeout, resolver.lifetime = LOOKUP_SECONDS / 2, LOOKUP_SECONDS
    try:
        answer = resolver.resolve(name, "A", search=False)
    except dns.exception.DNSException as error:
        raise NoName(str(error)) from error
    assert answer.rrset is not None
    return Lookup([record.address for record in answer], answer.rrset.ttl, answer.expiration)


@dataclass(frozen=True)
class Answer:
    """What a frontend answered; `status` is 0 if nothing came."""

    status: int
    frontend: str = ""
    backend: str = ""
    body: bytes = b""
    error: str = ""


def get(address: str, port: int, host: str, path: str, agent: str = AGENT) -> Answer:
    """One GET on a new connection."""
    connection = http.client.HTTPConnection(address, port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.request("GET", path, headers={"Host": host, "User-Agent": agent, "Connection": "close"})
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, response.headers["X-Frontend"] or "", response.headers["X-Backend"] or "", body)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, error=str(error) or type(error).__name__)
    finally:
        connection.close()


@dataclass(frozen=True)
class Row:
    """One request as the view shows it. `skipped` are the addresses that did not answer."""

    at: datetime
    address: str
    left: float
    is_new: bool
    answer: Answer
    seconds: float
    skipped: Sequence[str] = ()

    def line(self, spoken: Language) -> str:
        """The request without a terminal."""
        notes = [WORDS["asked"][spoken]] if self.is_new else []
        notes += [f"{WORDS['skipped'][spoken]} {address}" for address in self.skipped]
        cells = [f"{self.at:%H:%M:%S}", f"{self.address:<15}", f"TTL {self.left:>3.0f} s", *self.cells(spoken)]
        return "  ".join([*cells, *notes]).rstrip()

    def cells(self, spoken: Language) -> list[str]:
        """Who answered, and how."""
        status = str(self.answer.status or WORDS["no answer"][spoken])
        return [f"{self.answer.frontend or '-':<10}", f"{self.answer.backend or '-':<9}", status, self.took]

    @property
    def took(self) -> str:
        return f"{self.seconds * 1000:.0f} ms"


@dataclass
class Watch:
    """The site as one computer sees it, and the health of the machines behind it.

    Args:
        send: one GET to an address, of a path, as a user agent.
        machines: the names and addresses by tier, in the order of the view.
    """

    names: Names
    send: Callable[[str, str, str], Answer]
    machines: dict[str, dict[str, str]]
    is_named: Callable[[str], bool]
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=ROWS))
    health: dict[str, bool | None] = field(default_factory=dict)
    """Whether each machine works; None for one of which nothing is known."""

    def step(self) -> Row:
        """One request: to the first address of the cached answer, or to the next ones if that does not answer."""
        at, started = datetime.now(), time.monotonic()
        try:
            found, is_new = self.names.get()
        except NoName as error:
            row = Row(at, "-", 0, True, Answer(0, error=str(error)), time.monotonic() - started)
        else:
            skipped: list[str] = []
            for address in found.addresses:
                answer = self.send(address, "/status", AGENT)
                if answer.status:
                    break
                skipped.append(address)
            row = Row(at, address, self.names.left, is_new, answer, time.monotonic() - started, skipped)
        self.rows.append(row)
        return row

    def check(self) -> dict[str, bool | None]:
        """Ask about every machine, as the page does: through DNS, the frontends, and the backends' own status."""
        found: dict[str, bool | None] = {
            name: self.is_named(address) for name, address in self.machines.get("dns", {}).items()
        }
        frontends, backends = self.machines["frontends"], self.machines["backends"]
        with ThreadPoolExecutor(len(frontends) + len(backends)) as pool:
            pages = dict(zip(frontends, pool.map(lambda one: self._page(frontends[one]), frontends), strict=True))
            found |= pages
            way = next((frontends[name] for name, works in pages.items() if works), "")
            states = dict(zip(backends, pool.map(lambda one: self._status(way, one), backends), strict=True))
        found |= {name: bool(state) if way else None for name, state in states.items()}
        for tier in ("redis", "mysql"):
            told = [state[tier]["ok"] for state in states.values() if state and tier in state]
            for name in self.machines.get(tier, {}):
                found[name] = any(told) if told else None
        self.health = found
        return found

    def _page(self, address: str) -> bool:
        return self.send(address, "/lab.json", HEALTH_AGENT).status == 200

    def _status(self, way: str, backend: str) -> dict[str, Any]:
        answer = self.send(way, f"/status/{backend}", HEALTH_AGENT) if way else Answer(0)
        try:
            return dict(json.loads(answer.body)) if answer.status == 200 else {}
        except ValueError:
            return {}


def health_line(health: dict[str, bool | None]) -> str:
    """The machines without a terminal: those that do not work, or `all up`."""
    down = [name for name, works in health.items() if works is False]
    return f"-- {', '.join(down)} down" if down else f"-- {len(health)} machines up"


def view(watch: Watch, title: str, spoken: Language) -> Group:
    """The view for a terminal."""
    lookup, left = watch.names.current, watch.names.left
    head = Table.grid(padding=(0, 2))
    addresses = Text("  ".join(lookup.addresses) if lookup else WORDS["no name"][spoken], style="bold")
    bar = ProgressBar(total=lookup.ttl if lookup and lookup.ttl else 1, completed=left, width=20)
    head.add_row(Text(title, style="bold cyan"), addresses, bar, f"TTL {left:.0f} s")

    requests = Table(expand=False)
    columns = [WORDS["time"][spoken], WORDS["address"][spoken], WORDS["left"][spoken]]
    for heading in [*columns, "frontend", "backend", WORDS["status"][spoken], "ms"]:
        requests.add_column(heading, no_wrap=True, min_width=len(heading))
    for row in watch.rows:
        style = "green" if row.answer.status == 200 else "bold red"
        left_text = f"{row.left:.0f} s" + (f", {WORDS['asked'][spoken]}" if row.is_new else "")
        cells = [cell.strip() for cell in row.cells(spoken)]
        requests.add_row(f"{row.at:%H:%M:%S}", row.address, left_text, *cells[:2], Text(cells[2], style), cells[3])

    machines = Table.grid(padding=(0, 2))
    for tier, members in watch.machines.items():
        marks = [
            Text(f"{'●' if watch.health.get(name) else '○'} {name}", style=STYLES[watch.health.get(name)])
            for name in members
        ]
        machines.add_row(Text(tier, style="dim"), *marks)
    return Group(head, requests, machines, Text(WORDS["end"][spoken], style="dim"))


STYLES: dict[bool | None, str] = {True: "green", False: "bold red", None: "dim"}


def run(watch: Watch, title: str, console: Console, options: argparse.Namespace, spoken: Language) -> None:
    """Send requests until Ctrl-C, or as many as asked for."""
    is_live = console.is_terminal
    # Health has a thread of its own: a machine that does not answer must not delay the requests.
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console=console, auto_refresh=False)) if is_live else None
        pending, checked, shown, sent = pool.submit(watch.check), time.monotonic(), "", 0
        while not options.count or sent < options.count:
            due = time.monotonic() + options.interval
            row = watch.step()
            sent += 1
            if not live:
                print(row.line(spoken), flush=True)
                if watch.health and (line := health_line(watch.health)) != shown:
                    shown = line
                    print(shown, flush=True)
            if pending.done() and time.monotonic() - checked >= HEALTH_SECONDS:
                pending.result()
                pending, checked = pool.submit(watch.check), time.monotonic()
            while time.monotonic() < due and (not options.count or sent < options.count):
                if live:
                    live.update(view(watch, title, spoken), refresh=True)
                time.sleep(min(0.2, max(0.0, due - time.monotonic())))
        pending.result()
        if live:
            live.update(view(watch, title, spoken), refresh=True)


def watch_of(lab: Lab) -> Watch:
    """What to watch in a lab."""
    nameservers = lab.addresses("dns")
    site, port, host = lab.site_name, lab.site_port, lab.site_url.split("//")[1]

    def is_named(address: str) -> bool:
        with contextlib.suppress(NoName):
            return bool(ask_dns(site, [address]))
        return False

    machines = {
        tier: {box.name: box.address for box in lab.tier(tier)}
        for tier in ("dns", "frontends", "backends", "redis", "mysql")
    }
    names = Names(lambda: ask_dns(site, nameservers))
    return Watch(names, lambda address, path, agent: get(address, port, host, path, agent), machines, is_named)


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch the lab until Ctrl-C; return 0."""
    parser = argparse.ArgumentParser(prog="make watch", description="Watch addresses, frontends, backends and health.")
    parser.add_argument("--count", type=int, default=0, help="end after this many requests")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two requests")
    parser.add_argument("--svg", type=Path, help="write the last view to a file, for the documentation")
    options = parser.parse_args(arguments)
    spoken = language()
    lab = Lab(Inventory.load())
    console = Console()
    try:
        watch = watch_of(lab)
        with contextlib.suppress(KeyboardInterrupt):
            run(watch, lab.site_name, console, options, spoken)
        if options.svg:
            picture = Console(record=True, width=100, force_terminal=True, file=io.StringIO())
            picture.print(view(watch, lab.site_name, spoken))
            picture.save_svg(str(options.svg), title="make watch")
    finally:
        lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
