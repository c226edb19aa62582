"""Frontends with the rendered configuration, and stub backends that return their name.

All run in one workbench, at the addresses of the inventory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab.inventory import Inventory
from lab.waiting import wait_until
from tests.templates.rendered import SECRETS, files
from tests.visitors import Answer, Visit, visits
from tests.workbench import Workbench

PORT = "8000"

# Answers every request with its name; `?fail` in the path makes it return an error.
BACKEND = r"""
import asyncio, contextlib, sys

name, address, port = sys.argv[1:]

async def serve(reader, writer):
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while request := await reader.readuntil(b"\r\n\r\n"):
            status = b"500 Error" if b"?fail" in request.split(b"\r\n")[0] else b"200 OK"
            writer.write(b"HTTP/1.1 %s\r\nX-Backend: %s\r\nContent-Length: 0\r\n\r\n" % (status, name.encode()))

async def main():
    await (await asyncio.start_server(serve, address, int(port))).serve_forever()

asyncio.run(main())
"""

START = """\
python3 -c "$1" "$2" "$3" "$4" >/dev/null 2>&1 &
until (: <"/dev/tcp/$3/$4"); do kill -0 $! || exit 1; sleep 0.02; done 2>/dev/null
echo $!
"""

STOP = 'kill "$1"; while (: <"/dev/tcp/$2/$3"); do sleep 0.02; done 2>/dev/null'

# For each configuration: start nginx, or reload it and wait until the old workers have exited,
# because they still serve requests.
NGINX = """\
set -e
workers() { cat "/proc/$(cat "$1")/task/$(cat "$1")/children"; }
for conf; do
    pid=${conf%.conf}.pid
    if [ -e "$pid" ]; then
        before="$before $(workers "$pid" | sed "s,[0-9][0-9]*,$pid:&,g")"
        nginx -q -c "$conf" -s reload
    else
        nginx -q -c "$conf"
    fi
done
for one in $before; do
    while workers "${one%:*}" | grep -qw "${one#*:}"; do sleep 0.02; done
done
"""


def load(backends: int = 3, **settings: Any) -> Inventory:
    """The lab with this number of backends, and with frontends that use the route cookie."""
    overrides = SECRETS | {"nginx_persistence": "route_cookie"} | settings
    return Inventory.load("inventory/lab", backends=backends, overrides=overrides)


def config(inventory: Inventory, frontend: str = "") -> str:
    """The configuration of a frontend (default: the first one)."""
    machine = inventory.machine(frontend or inventory.groups["frontends"][0])
    return files(machine, "nginx", "nginx.conf.j2")[0].text


class Relay:
    """Running frontends and backends."""

    def __init__(self, bench: Workbench, inventory: Inventory) -> None:
        self.bench = bench
        self.inventory = inventory
        self._pids: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self.configure(inventory)

    @property
    def backends(self) -> dict[str, str]:
        """Their addresses by name."""
        return {machine.name: machine.address for machine in self.inventory.hosts("backends")}

    @property
    def frontends(self) -> dict[str, str]:
        return {machine.name: machine.address for machine in self.inventory.hosts("frontends")}

    def configure(self, inventory: Inventory) -> None:
        """Apply an inventory as the playbook would: start new backends and reload the frontends."""
        self.inventory = inventory
        self.start(*(name for name in self.backends if name not in self._pids))
        configs = {f"/bench/{name}.conf": self.own(name) for name in self.frontends}
        if changed := {path: text for path, text in configs.items() if self._written.get(path) != text}:
            self._done(["sh", "-c", NGINX, "sh", *changed], changed)
            self._written |= changed

    @property
    def running(self) -> list[str]:
        """The names of the running backends."""
        return list(self._pids)

    def wait_for_all(self) -> None:
        """Wait until no frontend skips a backend because of an earlier failure."""

        def all_answer() -> bool:
            genuine = {answer.backend: answer.route for answer in self.first_visits(100) if answer.route}
            requests = [Visit(address, route) for route in genuine.values() for address in self.frontends.values()]
            return set(genuine) >= set(self.backends) and not any(answer.set_cookie for answer in self.visit(requests))

        wait_until(all_answer, "every frontend uses every backend")

    def start(self, *backends: str) -> None:
        for name in backends:
            command = ["bash", "-c", START, "start", BACKEND, name, self.backends[name], PORT]
            self._pids[name] = self._done(command)

    def stop(self, *backends: str) -> None:
        for name in backends:
            self._done(["bash", "-c", STOP, "stop", self._pids.pop(name), self.backends[name], PORT])

    def visit(self, requests: Sequence[Visit]) -> list[Answer]:
        return visits(self.python, requests, "www.example.org", 80)

    def first_visits(self, number: int) -> list[Answer]:
        """Send `number` requests without a cookie, to the frontends in turn."""
        addresses = list(self.frontends.values())
        return self.visit([Visit(addresses[turn % len(addresses)]) for turn in range(number)])

    def everywhere(self, route: str, **details: Any) -> list[Answer]:
        """Send one request with this cookie to each frontend."""
        return self.visit([Visit(address, route, **details) for address in self.frontends.values()])

    def own(self, frontend: str) -> str:
        """The configuration of a frontend, adapted so that several frontends can share one container."""
        return re.sub(r"(?m)^(pid|error_log) [^ ;]+", rf"\1 /bench/{frontend}.\1", config(self.inventory, frontend))

    def python(self, program: str, argument: Any) -> Any:
        """Run a Python program in the workbench: JSON in, JSON out."""
        command = ["sh", "-c", 'python3 -c "$1" </bench/argument.json', "sh", program]
        return json.loads(self._done(command, {"/bench/argument.json": json.dumps(argument)}))

    def _done(self, command: Sequence[str], files: Mapping[str, str] | None = None) -> str:
        done = self.bench.run(command, files)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()
