"""What TLS costs on a frontend: `make bench-tls`, on a lab with `nginx_tls: lab_ca`.

The client asks a frontend for a backend's health, which it gives over plain HTTP as well: each request on a connection
of its own, over HTTPS with a whole handshake or with a resumed session. The ways take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from statistics import median, quantiles

from lab.inventory import Inventory
from lab.machines import SERVERS_IN_USE, Box, Lab

REQUESTS, ROUNDS = 100, 50
"""Many short rounds: a moment in which the computer is busy spoils one of them, and the median leaves it out."""

PLAIN = "plain HTTP"
WAYS = {
    PLAIN: {"tls": False, "resumed": False},
    "HTTPS, whole handshake": {"tls": True, "resumed": False},
    "HTTPS, resumed session": {"tls": True, "resumed": True},
}

PROGRAM = r"""
import json, socket, ssl, sys
from http.client import HTTPResponse

argument = json.load(sys.stdin)
context = ssl.create_default_context()
protocol = None

def connect(session=None):
    link = socket.create_connection((argument["address"], argument["port"]), timeout=15)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(link, server_hostname=argument["name"], session=session) if argument["tls"] else link

def ask(link):
    request = f"GET {argument['path']} HTTP/1.1\r\nHost: {argument['name']}\r\nConnection: close\r\n\r\n"
    link.sendall(request.encode())
    answer = HTTPResponse(link)
    answer.begin()
    answer.read()
    if answer.status != 200:
        sys.exit(f"{argument['path']} was answered {answer.status}")

session = None
if argument["resumed"]:
    with connect() as link:
        ask(link)
        session = link.session  # which comes with the answer
for _ in range(argument["requests"]):
    with connect(session) as link:
        if argument["tls"]:
            protocol = f"{link.version()}, {link.cipher()[0]}"
            if link.session_reused != argument["resumed"]:
                sys.exit("a session was " + ("not resumed" if argument["resumed"] else "resumed"))
        ask(link)
json.dump(protocol, sys.stdout)
"""
"""Sends the requests, and prints the version and the cipher of TLS."""

PROCESSOR_TIME = r"""
import json, os, sys
unit, total = json.load(sys.stdin), 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if open(f"/proc/{pid}/cgroup").read().strip().endswith("/" + unit):
            total += int(open(f"/proc/{pid}/schedstat").read().split()[0])
    except OSError:
        pass  # it has just ended
print(total)
"""
"""Prints the nanoseconds for which the first threads of a unit's processes have run; nginx has no others.

What `bench.measure` reads counts all threads, but in steps of 10 ms, which are too coarse for a short round.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-tls", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if options.requests < 1 or options.rounds < 1:
        parser.error("at least one request in one round")
    lab = Lab(Inventory.load())
    try:
        if not lab.is_for_breaking:
            sys.exit(f"error: {SERVERS_IN_USE}")
        if lab.vars["nginx_tls"] != "lab_ca":
            sys.exit("error: this needs the HTTPS of a lab. Remedy: nginx_tls: lab_ca in group_vars, and make up")
        print(report(*measure(lab, options.requests, options.rounds)))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        lab.close()


def measure(lab: Lab, requests: int, rounds: int) -> tuple[dict[str, list[float]], str]:
    """Return nginx's processor time for each request (µs), by way and round, and what TLS agreed on."""
    client, frontend = lab.tier("clients")[0], lab.tier("frontends")[0]
    role = frontend.role("nginx")
    common = {
        "address": frontend.address,
        "name": lab.site_name,
        "path": f"/status/{next(iter(role['nginx_backends']))}",
        "requests": requests,
    }
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    protocol = ""
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            port = role["nginx_tls_port" if WAYS[way]["tls"] else "nginx_port"]
            before = _processor_us(frontend)
            protocol = client.python(PROGRAM, common | {"port": port} | WAYS[way]) or protocol
            costs[way].append((_processor_us(frontend) - before) / requests)
    return costs, protocol


def _processor_us(frontend: Box) -> float:
    """Return the processor time of the frontend's nginx, all processes together, in microseconds."""
    return float(frontend.python(PROCESSOR_TIME, frontend.service)) / 1000


def report(costs: Mapping[str, Sequence[float]], protocol: str) -> str:
    """Return the table; what TLS adds is taken round by round."""
    lines = ["| way | nginx's processor time for each request, µs | of it TLS |", "|---|---|---|"]
    for way, times in costs.items():
        added = [time - plain for time, plain in zip(times, costs[PLAIN], strict=True)]
        lines.append(f"| {way} | {_spread(times)} | {_spread(added) if way != PLAIN else ''} |")
    return "\n".join([*lines, "", f"{protocol}. Medians of {len(costs[PLAIN])} rounds; half of them lie within"])


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"**{values[0]:.0f}**"
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"**{median(values):.0f}** ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    main()
