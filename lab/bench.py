"""Measures how long the commands of the lab take: `make bench-lab`. Replaces the running lab.

    python -m lab.bench commands [--rounds 3]       the commands of daily use
    python -m lab.bench checks [--rounds 3]         `make lint` and `make unit`
    python -m lab.bench scale [--backends 3 10 20]  `make up` again, by the number of backends

Prints a table in Markdown with the median of all rounds, and the times themselves. docs/performance.md has the
results of one machine.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from lab.inventory import ROOT

TEMPLATE = ROOT / "ansible/roles/nginx/templates/nginx.conf.j2"
INVENTORIES = ROOT / ".lab" / "bench"
STAGE = re.compile(r"^==> (.+?)\s+(?:(\d+) min )?([\d.]+) s$", re.MULTILINE)
STAGES = {"Preflight": "inventory", "Frontends": "nginx", "DNS, which names the frontends": "zone"}


class Failed(Exception):
    """A command failed; the message has its output."""


def run(*arguments: str, **environment: str) -> tuple[float, str]:
    """Run make; return the seconds that it took, and its output."""
    print(f"  make {' '.join(arguments)}", file=sys.stderr, flush=True)
    command = ["make", "--no-print-directory", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("V", "STAGES_STARTED", "MAKEFLAGS")}
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"make {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - started, done.stdout


@contextmanager
def one_line_changed() -> Iterator[None]:
    """A changed comment in the template of nginx' configuration."""
    before = TEMPLATE.read_text(encoding="utf-8")
    TEMPLATE.write_text(f"{before}# {time.time()}\n", encoding="utf-8")
    try:
        yield
    finally:
        TEMPLATE.write_text(before, encoding="utf-8")


class Times:
    """How long each command took, in every round."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def measure(self, title: str, *arguments: str) -> None:
        self.seconds.setdefault(title, []).append(run(*arguments)[0])

    def print(self) -> None:
        rows = [
            [title, f"**{statistics.median(taken):.1f} s**", ", ".join(f"{seconds:.1f}" for seconds in taken)]
            for title, taken in self.seconds.items()
        ]
        print_table(["command", "median", "each round, s"], rows)


def checks(rounds: int) -> None:
    """Time what needs no machine."""
    times = Times()
    for _ in range(rounds):
        times.measure("`make lint`", "lint")
        times.measure("`make unit`", "unit")
    times.print()


def commands(rounds: int) -> None:
    """Time each command of daily use once in every round."""
    times = Times()
    measure = times.measure
    run("down")
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
        measure("`make up`, tools and base image there", "up")
        measure("`make up` again, nothing to change", "up")
        with one_line_changed():
            measure("one line changed in one role: `make provision ROLE=nginx`", "provision", "ROLE=nginx")
        run("provision", "ROLE=nginx")
        measure("`make snapshot`", "snapshot")
        measure("`make reset`", "reset")
        measure("`make down`", "down")
        measure("`LAB_FROM=snapshot make up`", "up", "LAB_FROM=snapshot")
        run("down")
    times.print()


def scale(sizes: list[int]) -> None:
    """Time `make up` again, and its parts, for several numbers of backends."""
    rows = []
    for size in sizes:
        run("down")
        inventory = str(with_backends(size).relative_to(ROOT))
        run("up", LAB_INVENTORY=inventory)
        seconds, output = run("up", LAB_INVENTORY=inventory)
        parts: dict[str, float] = {}
        for title, minutes, rest in STAGE.findall(output):
            parts.setdefault(title, int(minutes or 0) * 60 + float(rest))  # the second preflight checks nothing
        rows.append([str(size), str(size + 7), f"{seconds:.1f} s", *(f"{parts[title]:.1f} s" for title in STAGES)])
    run("down")
    shutil.rmtree(INVENTORIES)
    print_table(["backends", "machines", "`make up` again", *STAGES.values()], rows)


def with_backends(size: int) -> Path:
    """A copy of the lab's inventory with this number of backends."""
    copy = INVENTORIES / str(size)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "inventory" / "lab", copy)
    hosts = (copy / "hosts.yml").read_text(encoding="utf-8")
    more = "".join(
        f"        backend{n}: {{ansible_host: 172.20.0.{n + 100}, memory_mb: 512}}\n" for n in range(4, size + 1)
    )
    found = re.search(r"^ +backend3: .*\n", hosts, re.MULTILINE)
    assert found, "inventory/lab/hosts.yml has no backend3 any more: adapt this benchmark"
    (copy / "hosts.yml").write_text(hosts.replace(found[0], found[0] + more), encoding="utf-8")
    return copy


def print_table(header: list[str], rows: list[list[str]]) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"\n{date.today()}, {os.cpu_count()} cores, {memory:.0f} GB\n")
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how long the commands of the lab take.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("commands", "checks"):
        kinds.add_parser(kind).add_argument("--rounds", type=int, default=3)
    kinds.add_parser("scale").add_argument("--backends", type=int, nargs="+", default=[3, 10, 20])
    options = parser.parse_args()
    try:
        if options.kind == "scale":
            scale(options.backends)
        else:
            {"commands": commands, "checks": checks}[options.kind](options.rounds)
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
