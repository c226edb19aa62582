"""Whether the time of a failed login tells that a user exists: `make bench-logins`, on the lab that is up.

A frontend sends logins to a backend, one after the other: of users who do not exist, and of users who do, with a wrong
password, in random order. Each comes from another address, so that the limit on failed logins refuses none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.ranks import mann_whitney
from lab.inventory import Inventory
from lab.machines import SERVERS_IN_USE, Lab

TIMINGS = 500
SIGNIFICANT = 0.01
"""A smaller p-value says that the times differ; it comes by chance once in a hundred runs."""

PROGRAM = r"""
import http.client, json, random, secrets, sys, time

argument = json.load(sys.stdin)
link = http.client.HTTPConnection(argument["address"], argument["port"], timeout=15)
chance = random.SystemRandom()

def seconds(usuario):
    body = json.dumps({"usuario": usuario, "senha": secrets.token_urlsafe(12)})
    address = f"2001:db8:{chance.randrange(2**16):x}:{chance.randrange(2**16):x}::1"
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    started = time.perf_counter()
    link.request("POST", "/login", body, headers)
    answer = link.getresponse()
    answer.read()
    took = time.perf_counter() - started
    if answer.status != 401:
        sys.exit(f"POST /login was answered {answer.status} instead of 401")
    return took

times = {"unknown": [], "known": []}
for number in range(argument["timings"] + argument["warm_up"]):
    known = chance.choice(argument["users"])
    unknown = secrets.token_hex(len(known))[:len(known)]
    for kind, usuario in chance.sample([("unknown", unknown), ("known", known)], 2):
        took = seconds(usuario)
        if number >= argument["warm_up"]:
            times[kind].append(took)
json.dump(times, sys.stdout)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.logins", description=__doc__)
    parser.add_argument("--timings", type=int, default=TIMINGS, help="of each kind")
    parser.add_argument("--backend", help="by default the first")
    options = parser.parse_args()
    lab = Lab(Inventory.load())
    try:
        if not lab.is_for_breaking:
            sys.exit(f"error: {SERVERS_IN_USE}")
        backend = lab[options.backend] if options.backend else lab.tier("backends")[0]
        argument = {
            "address": backend.address,
            "port": backend.role("app")["app_port"],
            "users": [user["usuario"] for user in backend.role("app")["app_demo_users"]],
            "timings": options.timings,
            "warm_up": 10,
        }
        times: Any = lab.tier("frontends")[0].python(PROGRAM, argument)
    finally:
        lab.close()
    print(report(times["unknown"], times["known"]))


def report(unknown: Sequence[float], known: Sequence[float]) -> str:
    """Return the result in words; times are seconds."""
    share, p = mann_whitney(unknown, known)
    verdict = "the times differ" if p < SIGNIFICANT else "the times do not tell who has an account"
    return "\n".join(
        [
            f"{len(unknown)} failed logins of unknown users: {_spread(unknown)}",
            f"{len(known)} failed logins of known users:   {_spread(known)}",
            f"difference of the medians: {(median(known) - median(unknown)) * 1e6:+.0f} µs",
            f"Mann-Whitney: an unknown user took longer in {share:.1%} of all pairs, p = {p:.3f}: {verdict}",
        ]
    )


def _spread(times: Sequence[float]) -> str:
    ordered = sorted(time * 1000 for time in times)
    low, high = (ordered[int(len(ordered) * part)] for part in (0.05, 0.95))
    return f"median {median(ordered):.2f} ms, 90% within {low:.2f} to {high:.2f} ms"


if __name__ == "__main__":
    main()
