"""Measures what a request costs on the lab that is up, beside the same in Express: all arms in turn, several times.

Prints the tables, and writes every run as JSON and a picture as SVG into .lab/. Leaves the lab as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from bench.accounts import user
from bench.arms import COUNTS, Arm, arms
from bench.measure import Run, Runner
from bench.picture import draw
from bench.report import Results, ratios, table
from bench.stage import refuse, stage
from lab.inventory import ROOT, Inventory
from lab.machines import Lab

CLEAN_UP_SECONDS = 45


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="at most; as many as --minutes allow")
    parser.add_argument("--minutes", type=float, default=10, help="for everything")
    parser.add_argument("--seconds", type=int, default=2, help="of each arm in each round")
    parser.add_argument("--only", default="", metavar="TEXT", help="only arms whose name contains this")
    parser.add_argument("--json", type=Path, default=ROOT / ".lab" / "bench.json")
    options = parser.parse_args()
    if not options.json.parent.is_dir():
        parser.error(f"there is no folder {options.json.parent}")
    ends = monotonic() + options.minutes * 60 - CLEAN_UP_SECONDS
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    lab = Lab(Inventory.load())
    try:
        refuse(lab)
        role = lab.tier("backends")[0].role("app")
        workers, backends = int(role["app_workers"]), len(lab.tier("backends"))
        counts = sorted({*COUNTS, workers})
        about = describe(lab)
        with user(lab) as credentials, stage(lab, counts, workers, options.minutes * 60) as ready:
            known = list(arms(ready, credentials))
            chosen = [arm for arm in known if options.only in arm.name]
            if not chosen:
                names = "\n".join(arm.name for arm in known)
                sys.exit(f"error: no name has {options.only!r} in it. These are the names:\n{names}")
            results = measure(Runner(ready, credentials), chosen, options.rounds, options.seconds, ends)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        lab.close()
    about["rounds"] = max(map(len, results.values()))
    if not about["rounds"]:
        sys.exit("error: no time was left to measure anything. Remedy: more --minutes")
    runs = {name: [asdict(one) for one in runs] for name, runs in results.items()}
    options.json.write_text(json.dumps({"about": about, "arms": runs}, indent=1), encoding="utf-8")
    picture = options.json.with_suffix(".svg")
    title = f"{about['rounds']} rounds on {about['date']}, {about['processor']}, {about['processors']} processors"
    draw(picture, results, workers, counts, backends, title)
    print(f"{title}\n\n{table(results)}\n\n{ratios(results, workers, backends)}\n\n{options.json}\n{picture}")


def describe(lab: Lab) -> dict[str, Any]:
    """What the figures depend on."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    backend = lab.tier("backends")[0]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": model[1] if model else "an unknown processor",
        "processors": os.cpu_count(),
        "load_average_before": os.getloadavg()[0],
        "debian": backend.output(". /etc/os-release && echo $VERSION_ID"),
        "workers": int(backend.role("app")["app_workers"]),
    }


def measure(runner: Runner, chosen: list[Arm], rounds: int, seconds: int, ends: float) -> Results:
    """Run all arms in turn, every other round backwards, while the time is enough for another round.

    A round that the time does not suffice for is left unfinished; its runs count.
    """
    results: dict[str, list[Run]] = {arm.name: [] for arm in chosen}
    longest = 0.0
    for number in range(1, rounds + 1):
        started = monotonic()
        if started + longest > ends:
            print(f"no time for round {number} of {rounds}", file=sys.stderr)
            break
        print(f"round {number}", file=sys.stderr, flush=True)
        for arm in chosen if number % 2 else reversed(chosen):
            if monotonic() > ends:
                break
            # A login takes a hundred times as long as any other request.
            results[arm.name].append(runner.run(arm, seconds * 2 if arm.body else seconds))
        longest = max(longest, monotonic() - started)
    return results


if __name__ == "__main__":
    main()
