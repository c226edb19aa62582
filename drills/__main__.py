"""python -m drills [all | short | random | a drill | a kind]… --seed N: what `make drill` runs."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from datetime import datetime
from pathlib import Path

from drills import expectations, report
from drills.accounts import accounts
from drills.catalogue import catalogue, select
from drills.load import MAX_REQUESTS_PER_SECOND
from drills.runner import Outcome, Runner, Settings, on_the_lab, refuse_unless_healthy
from lab.inventory import ROOT
from lab.machines import Lab
from lab.power import provider_of

RANDOM_SECONDS = 600
MAX_EVENTS = 10


def main() -> int:
    """Run drills; return 0 if all were as expected, 1 if not, 2 if they could not be run."""
    parser = argparse.ArgumentParser(prog="make drill", description="Break something, and judge what users get.")
    parser.add_argument("drills", nargs="*", default=["all"], help="all, short, random, names or kinds of drills")
    parser.add_argument("--seed", type=int, help="decides what users do, and the faults of random")
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--rate", type=float, default=60, help="requests per second of all users, at most 100")
    parser.add_argument("--before", type=float, default=5, help="seconds of load before the fault")
    parser.add_argument("--after", type=float, default=6, help="seconds of load after the recovery")
    parser.add_argument(
        "--ca-file", type=Path, help="the certificate authority to trust for https, as PEM (default: the lab's)"
    )
    parser.add_argument("--list", action="store_true", help="list the kinds of drills and what they show, and exit")
    options = parser.parse_args()
    if not 0 < options.rate <= MAX_REQUESTS_PER_SECOND:
        parser.error(f"--rate must be above 0 and at most {MAX_REQUESTS_PER_SECOND} requests per second")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # undoes the fault as Ctrl-C does
    selection = " ".join(options.drills)
    name = selection.replace(" ", "+").replace(",", "+")[:60]
    settings = Settings(
        users=options.users,
        rate=options.rate,
        seed=secrets.randbelow(10**6) if options.seed is None else options.seed,
        before=options.before,
        after=options.after,
        folder=ROOT / ".lab" / "drills" / f"{datetime.now():%Y%m%d-%H%M%S}-{name}",
        ca_file=options.ca_file,
    )
    return on_the_lab(lambda lab: _run(lab, selection, settings, only_list=options.list))


def _run(lab: Lab, selection: str, settings: Settings, *, only_list: bool) -> int:
    expected = expectations.load(lab.is_redundant)
    if only_list:
        for kind, expectation in expected.items():
            print(f"{kind:<22} {expectation.why}")
        return 0
    if selection != "random":
        select(catalogue(lab, provider_of([]), settings.folder), selection)  # refuses a typing error at once
    refuse_unless_healthy(lab)
    drills = catalogue(lab, provider_of(lab.names("all")), settings.folder)
    selected = [] if selection == "random" else select(drills, selection)
    settings.folder.mkdir(parents=True, exist_ok=True)
    count = f"{len(selected)} drills" if selected else "random drills"
    print(f"{count}, seed {settings.seed}, {settings.users} users, {settings.rate:g} requests per second", flush=True)
    outcomes: list[Outcome] = []
    with accounts(lab.tier("backends")[-1], settings.users) as passwords:
        runner = Runner(lab, passwords, settings)
        try:
            for drill in selected:
                refuse_unless_healthy(lab)
                outcomes.append(asyncio.run(runner.run(drill, expected[drill.kind])))
                _print_problems(outcomes[-1])
            if selection in ("random", "all"):
                for outcome in asyncio.run(runner.run_random(drills, expected, RANDOM_SECONDS)):
                    outcomes.append(outcome)
                    _print_problems(outcome)
        finally:
            if outcomes:
                print(f"\n{report.table(outcomes)}\n", flush=True)
                print(f"Report: {report.write(settings.folder, outcomes, settings, selection)}")
    return int(any(outcome.problems for outcome in outcomes))


def _print_problems(outcome: Outcome) -> None:
    """Print what did not hold, the first bad events, the journals, and what to do next."""
    if not outcome.problems:
        return
    lines = [
        f"\n{outcome.name} was not as expected ({outcome.expectation.why})",
        *(f"  {problem}" for problem in outcome.problems),
        *(f"    {event}" for event in outcome.metrics.bad[:MAX_EVENTS]),
        outcome.journals,
        f"Next: make drill D={outcome.name}; find a request in the logs by its id (docs/operations.md, Logs)",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
