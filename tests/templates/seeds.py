"""Compares seeds for choosing the backend of a first visit, for the table in docs/balancing.md.

python -m tests.templates.seeds
"""

from __future__ import annotations

import statistics
from collections import Counter

from tests.templates.relay import Relay, config, load
from tests.workbench import Workbench

SEEDS = (
    "$request_id",
    '"$remote_addr$http_user_agent$msec"',
    '"$remote_addr$http_user_agent$msec$request_id"',
    '"$remote_addr$http_user_agent"',
)
VISITS, ROUNDS = 3000, 10

# All visits of one client through one frontend, over several connections at once.
AT_ONCE = r"""
import http.client, json, sys, threading, time

address, number, threads = json.load(sys.stdin)
answered = []

def visit():
    link = http.client.HTTPConnection(address, 80, timeout=15)
    for _ in range(number // threads):
        link.request("GET", "/perfil")
        (answer := link.getresponse()).read()
        answered.append((answer.headers["X-Backend"], time.time()))

began = time.time()
workers = [threading.Thread(target=visit) for _ in range(threads)]
[one.start() for one in workers]
[one.join() for one in workers]
json.dump([[name for name, _ in answered], time.time() - began], sys.stdout)
"""


class SeededRelay(Relay):
    """A relay whose frontends use another seed."""

    seed = SEEDS[0]

    def own(self, frontend: str) -> str:
        return super().own(frontend).replace("split_clients $request_id ", f"split_clients {self.seed} ")


def main() -> None:
    inventory = load()
    assert "split_clients $request_id " in config(inventory)
    print(f"{ROUNDS} rounds of {VISITS} first visits: deviation from 33.3%, and the longest run on one backend")
    with Workbench() as bench:
        relay = SeededRelay(bench, inventory)
        address = next(iter(relay.frontends.values()))
        for seed in SEEDS:
            relay.seed = seed
            relay.configure(inventory)
            off, runs, seconds = [], [], []
            for _ in range(ROUNDS):
                backends, took = relay.python(AT_ONCE, [address, VISITS, 6])
                counts = Counter(backends)
                off.append(max(abs(100 * counts[name] / VISITS - 100 / 3) for name in relay.backends))
                runs.append(longest_run(backends))
                seconds.append(took)
            rate = VISITS / statistics.mean(seconds)
            print(f"{seed:45} mean {statistics.mean(off):5.2f}  worst {max(off):5.2f}  run {max(runs):4}  {rate:.0f}/s")


def longest_run(backends: list[str]) -> int:
    longest = run = 0
    for before, name in zip(["", *backends], backends, strict=False):
        run = run + 1 if name == before else 1
        longest = max(longest, run)
    return longest


if __name__ == "__main__":
    main()
