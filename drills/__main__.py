"""python -m drills [all | short | random | a drill | a kind]… --seed N: `make drill` in a terminal."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from drills import expectations, report
from drills.accounts import accounts
from drills.catalogue import UnknownDrill, catalogue, chosen
from drills.load import MOST_REQUESTS_PER_SECOND
from drills.runner import NotHealthy, Outcome, Runner, Settings, refuse_unless_healthy
from lab.inventory import ROOT, Inventory
from lab.machines import Lab
from lab.power import ProviderError, provider_of

RANDOM_SECONDS = 600
SHOWN_EVENTS = 10


def main() -> int:
    """Run what was asked for; 0 when all was as expected, 1 when not, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="make drill", description="Break something and judge what users get.")
    parser.add_argument("drills", nargs="*", default=["all"], help="all, short, random, names or kinds of drills")
    parser.add_argument("--seed", type=int, help="an integer; the same seed, the same users and random sequence")
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--rate", type=float, default=60, help="requests a second in all, at most 100")
    parser.add_argument("--before", type=float, default=5, help="seconds of asking before something breaks")
    parser.add_argument("--after", type=float, default=6, help="seconds of asking after all is back")
    parser.add_argument("--ca-file", type=Path, help="for https: the certificate authority to trust, as PEM")
    parser.add_argument("--list", action="store_true", help="name the drills and what they expect, run nothing")
    options = parser.parse_args()
    if not 0 < options.rate <= MOST_REQUESTS_PER_SECOND:
        parser.error(f"--rate is above 0 and at most {MOST_REQUESTS_PER_SECOND} requests a second")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # puts back what is broken
    wanted = " ".join(options.drills)
    name = wanted.replace(" ", "+").replace(",", "+")[:60]
    settings = Settings(
        users=options.users,
        rate=options.rate,
        seed=secrets.randbelow(10**6) if options.seed is None else options.seed,
        before=options.before,
        after=options.after,
        ca_file=options.ca_file,
        folder=ROOT / ".lab" / "drills" / f"{datetime.now():%Y%m%d-%H%M%S}-{name}",
    )
    lab = Lab(Inventory.load())
    try:
        return _run(lab, wanted, settings, only_list=options.list)
    except (UnknownDrill, NotHealthy, ProviderError, expectations.BadExpectation, AssertionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was broken has been put back", file=sys.stderr)
        return 130
    finally:
        lab.close()


def _run(lab: Lab, wanted: str, settings: Settings, *, only_list: bool) -> int:
    expected = expectations.load()
    if only_list:
        for kind, expectation in expected.items():
            print(f"{kind:<22} {expectation.why}")
        return 0
    if wanted != "random":
        chosen(catalogue(lab, provider_of([]), settings.folder), wanted)  # a typing error is told at once
    refuse_unless_healthy(lab)
    drills = catalogue(lab, provider_of(lab.names("all")), settings.folder)
    picked = [] if wanted == "random" else chosen(drills, wanted)
    settings.folder.mkdir(parents=True, exist_ok=True)
    count = f"{len(picked)} drills" if picked else "a random sequence"
    print(f"{count}, seed {settings.seed}, {settings.users} users, {settings.rate:g} requests a second", flush=True)
    outcomes: list[Outcome] = []
    with accounts(lab.tier("backends")[-1], settings.users) as passwords:
        runner = Runner(lab, passwords, settings)
        try:
            for drill in picked:
                refuse_unless_healthy(lab)
                outcomes.append(asyncio.run(runner.run(drill, expected[drill.kind])))
                _tell(outcomes[-1])
            if wanted in ("random", "all"):
                for outcome in asyncio.run(runner.sequence(drills, expected, RANDOM_SECONDS)):
                    outcomes.append(outcome)
                    _tell(outcome)
        finally:
            if outcomes:
                print(f"\n{report.table(outcomes)}\n", flush=True)
                print(f"Report: {report.write(settings.folder, outcomes, settings, wanted)}")
    return int(any(outcome.problems for outcome in outcomes))


def _tell(outcome: Outcome) -> None:
    """What did not hold, the first bad events, the journals and the next thing to try."""
    if not outcome.problems:
        return
    lines: Sequence[str] = [
        f"\n{outcome.name} was not as expected ({outcome.expectation.why})",
        *(f"  {problem}" for problem in outcome.problems),
        *(f"    {event.short()}" for event in outcome.figures.bad[:SHOWN_EVENTS]),
        outcome.journals,
        f"Next: make drill D={outcome.name}; a request is found in the logs by its id (docs/operations.md, Logs)",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
