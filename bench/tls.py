"""What TLS costs on a frontend: `make bench-tls`, on a lab whose site speaks HTTPS.

The client asks a frontend for a backend's health, which it gives over plain HTTP as well: each request on a connection
of its own or all on one, over HTTPS with whole handshakes or with resumed sessions. All ways take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lab.inventory import Inventory
from lab.machines import SERVERS_IN_USE, Box, Lab

REQUESTS, ROUNDS = 1000, 5


@dataclass(frozen=True)
class Way:
    """One way to send requests, and the one to which it adds what is measured."""

    name: str
    tls: bool
    kept: bool = False
    resumed: bool = False
    beside: str = ""


PLAIN, PLAIN_KEPT = Way("plain HTTP", tls=False), Way("plain HTTP, one connection", tls=False, kept=True)
WAYS = (
    PLAIN,
    Way("HTTPS, whole handshakes", tls=True, beside=PLAIN.name),
    Way("HTTPS, resumed sessions", tls=True, resumed=True, beside=PLAIN.name),
    PLAIN_KEPT,
    Way("HTTPS, one connection", tls=True, kept=True, beside=PLAIN_KEPT.name),
)

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

def ask(link, connection):
    request = f"GET {argument['path']} HTTP/1.1\r\nHost: {argument['name']}\r\nConnection: {connection}\r\n\r\n"
    link.sendall(request.encode())
    answer = HTTPResponse(link)
    answer.begin()
    answer.read()
    if answer.status != 200:
        sys.exit(f"{argument['path']} was answered {answer.status}")
    if answer.will_close and connection == "keep-alive":
        sys.exit(f"the frontend closes the connection after {argument['path']}")

def describe(link):
    global protocol
    if argument["tls"]:
        protocol = f"{link.version()}, {link.cipher()[0]}"

if argument["kept"]:
    with connect() as link:
        describe(link)
        for _ in range(argument["requests"]):
            ask(link, "keep-alive")
else:
    session = None
    if argument["resumed"]:
        with connect() as link:  # its session comes with the answer
            ask(link, "close")
            session = link.session
    for _ in range(argument["requests"]):
        with connect(session) as link:
            describe(link)
            if argument["tls"] and link.session_reused != argument["resumed"]:
                sys.exit("a session was " + ("not resumed" if argument["resumed"] else "resumed"))
            ask(link, "close")
json.dump(protocol, sys.stdout)
"""
"""Sends the requests, and prints the version and the cipher of TLS."""


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
        if lab.vars["nginx_tls"] == "off":
            sys.exit("error: the site speaks plain HTTP. Remedy: nginx_tls: lab_ca in its group_vars, and make up")
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
    costs: dict[str, list[float]] = {way.name: [] for way in WAYS}
    protocol = ""
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            port = role["nginx_tls_port" if way.tls else "nginx_port"]
            argument = common | {"port": port, "tls": way.tls, "kept": way.kept, "resumed": way.resumed}
            before = _processor_us(frontend)
            protocol = client.python(PROGRAM, argument) or protocol
            costs[way.name].append((_processor_us(frontend) - before) / requests)
    return costs, protocol


def _processor_us(frontend: Box) -> float:
    """Return the processor time of the frontend's nginx, all processes together, in microseconds."""
    return int(frontend.output("systemctl show --property=CPUUsageNSec --value nginx.service")) / 1000


def report(costs: Mapping[str, Sequence[float]], protocol: str) -> str:
    """Return the table; what TLS adds is taken round by round."""
    lines = ["| way | nginx's processor time for each request, µs | of it TLS |", "|---|---|---|"]
    for way in WAYS:
        times = costs[way.name]
        added = [one - other for one, other in zip(times, costs.get(way.beside, []), strict=bool(way.beside))]
        lines.append(f"| {way.name} | {_spread(times)} | {_spread(added) if added else ''} |")
    return "\n".join([*lines, "", f"{protocol}. Medians of {len(costs[PLAIN.name])} rounds, with minimum and maximum"])


def _spread(values: Sequence[Any]) -> str:
    return f"**{median(values):.0f}** ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    main()
