"""Memory and times with a million sessions in Redis, and with 100 000 users in MySQL: `make bench-sessions`.

On the lab that is up. The sessions go into a Redis of their own beside the lab's, which is too small.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.accounts import add_users, remove_users
from bench.stage import WRITE, begin, end, refuse
from bench.units import FOLDER, UNITS, unit
from lab.inventory import Inventory
from lab.machines import Lab

SESSIONS, USERS, LOGINS = 1_000_000, 100_000, 100
BYTES_EACH = 1500
"""More memory than a session takes."""

PORT = 6479
PROGRAM = Path(__file__).with_name("fill_sessions.py")

LOG_IN = r"""
import http.client, json, sys, time

argument = json.load(sys.stdin)
link = http.client.HTTPConnection(argument["address"], argument["port"], timeout=15)

def post(path, body, headers):
    link.request("POST", path, body, headers)
    answer = link.getresponse()
    answer.read()
    return answer

def seconds(usuario):
    body = json.dumps({"usuario": usuario, "senha": argument["senha"]})
    started = time.perf_counter()
    answer = post("/login", body, {"Content-Type": "application/json"})
    took = time.perf_counter() - started
    if answer.status != 200:
        sys.exit(f"POST /login was answered {answer.status}")
    cookie = "; ".join(line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie"))
    post("/logout", None, {"Cookie": cookie})
    return took

times = [seconds(usuario) for usuario in argument["users"]]
json.dump(times[argument["warm_up"]:], sys.stdout)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--users", type=int, default=USERS, help="0 leaves MySQL alone")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    lab = Lab(Inventory.load())
    try:
        refuse(lab)
        print(report(in_the_lab(lab, options.sessions)), flush=True)
        if options.users:
            print(report_of_logins(*logins(lab, options.users), options.users))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        lab.close()


def in_the_lab(lab: Lab, sessions: int) -> dict[str, Any]:
    """Fill a Redis on the first machine of its tier from the first backend, with the app that is installed there."""
    box, backend = lab.tier("redis")[0], lab.tier("backends")[0]
    free = int(box.output("awk '/^MemAvailable/ { print $2 }' /proc/meminfo")) * 1024
    if free < sessions * BYTES_EACH:
        sys.exit(f"error: {box.name} has too little memory. Remedy: ARGS='--sessions {free // BYTES_EACH}', or less")
    password = secrets.token_hex(16)
    config = f"bind {box.address}\nport {PORT}\nsave ''\nappendonly no\nrequirepass {password}\ndir /tmp\n"
    name = "bench-redis.service"
    text = unit("[Service]\nUser=redis\nPrivateTmp=true\n", f"/usr/bin/redis-server {FOLDER}/redis.conf", ["Type=exec"])
    try:
        begin(box)
        box.python(WRITE, {f"{FOLDER}/redis.conf": config, f"{UNITS}/{name}": text}, root=True)
        box.root_output("systemctl daemon-reload")
        box.start(name)
        argument = {"redis": [box.address, PORT], "user": "", "password": password, "sessions": sessions}
        program, python = PROGRAM.read_text(encoding="utf-8"), "/opt/revezamento/current/bin/python"
        found: dict[str, Any] = backend.python(program, argument, root=True, python=python)
    finally:
        end(box)
    return found


def logins(lab: Lab, users: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return how long logins take with few users, and with so many more; in seconds."""
    with no_users_left(lab):
        few = _log_in(lab, add_users(lab, 1))
        return few, _log_in(lab, add_users(lab, users))


@contextmanager
def no_users_left(lab: Lab) -> Iterator[None]:
    """Remove all users of the bench, before and after."""
    remove_users(lab)
    try:
        yield
    finally:
        remove_users(lab)


def _log_in(lab: Lab, users: Sequence[str]) -> list[float]:
    backend = lab.tier("backends")[0]
    role = backend.role("app")
    argument = {
        "address": backend.address,
        "port": role["app_port"],
        "users": random.choices(users, k=LOGINS + 10),
        "senha": role["app_demo_users"][0]["senha"],
        "warm_up": 10,
    }
    times: list[float] = lab.tier("frontends")[0].python(LOG_IN, argument)
    return times


def report(found: Mapping[str, Any]) -> str:
    """Return the result of the sessions as a table and two sentences."""
    sizes = [name for name in found if name.isdigit()]
    lines = [
        "| sessions | bytes each | read by the app, p50 and p99, µs | script in Redis, µs | filled in |",
        "|---|---|---|---|---|",
        *(
            f"| {int(size):,} | **{one['bytes']:.0f}** | {one['p50_us']:.0f}, {one['p99_us']:.0f} "
            f"| {one['server_us']:.1f} | {one['seconds']:.0f} s |"
            for size, one in ((size, found[size]) for size in sizes)
        ),
        "",
        f"Redis {found['redis']}. Bytes of one session by key: "
        + ", ".join(f"{kind} {size:.0f}" for kind, size in found["bytes_by_key"].items()),
        f"Left behind: {found['left']['keys']} keys",
    ]
    return "\n".join(lines)


def report_of_logins(few: Sequence[float], many: Sequence[float], users: int) -> str:
    """Return what users more do to a login; times are seconds."""
    return "\n".join(
        f"login with {what}: median {median(times) * 1000:.1f} ms ({min(times) * 1000:.1f}-{max(times) * 1000:.1f})"
        for what, times in (("the lab's users", few), (f"{users:,} users more", many))
    )


if __name__ == "__main__":
    main()
