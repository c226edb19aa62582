"""Runs all arms in turn, several times, on the lab that is up; prints a table and writes every run as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench.arms import arms
from bench.measure import Run, generators, run
from bench.report import table
from lab.inventory import ROOT, Inventory
from lab.machines import SERVERS_IN_USE, Lab


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each arm in each round")
    parser.add_argument("--only", default="", metavar="TEXT", help="only arms whose name contains this")
    parser.add_argument("--json", type=Path, default=ROOT / ".lab" / "bench.json")
    options = parser.parse_args()
    lab = Lab(Inventory.load())
    if not lab.is_for_breaking:
        sys.exit(f"error: {SERVERS_IN_USE}")
    try:
        with generators(lab):
            chosen = [arm for arm in arms(lab) if options.only in arm.name]
            results: dict[str, list[Run]] = {arm.name: [] for arm in chosen}
            for number in range(1, options.rounds + 1):
                print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
                for arm in chosen:
                    results[arm.name].append(run(arm, options.seconds))
    finally:
        lab.close()
    options.json.write_text(json.dumps({name: [asdict(one) for one in runs] for name, runs in results.items()}))
    print(table(results))


if __name__ == "__main__":
    main()
