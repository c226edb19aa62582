"""What the machines have recorded since an exercise was begun: requests, stops and starts, lines of the app."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from lab.logs import ACCESS_LOG
from lab.machines import Box, Lab

STARTED, STOPPED = "39f53479d3a045ac8e11786248231fbf", "9d1aaa27d60140bd96365438aad20286"
"""systemd's ids of the messages that a unit has started or stopped: `journalctl --catalog`."""

READ_LOG = """
import datetime, json, pathlib, sys
argument = json.load(sys.stdin)
lines = []
for name in (argument["log"] + ".1", argument["log"]):
    if pathlib.Path(name).exists():
        with open(name, encoding="utf-8", errors="replace") as file:
            for line in file:
                if argument["without"] not in line:
                    try:
                        entry = json.loads(line)
                        if datetime.datetime.fromisoformat(entry["time"]).timestamp() >= argument["since"]:
                            lines.append(entry)
                    except (ValueError, KeyError):
                        pass
json.dump(lines, sys.stdout)
"""
DRILL_AGENT = "revezamento-drill"
"""The simulated users of a drill send thousands of requests, which are no student's."""


@dataclass(frozen=True)
class Request:
    """A request as a frontend logged it when it was answered.

    `backends` are the backends that were asked, in their order; `seconds` is how long the user waited.
    """

    time: float
    frontend: str
    request_id: str
    client: str
    method: str
    path: str
    status: int
    seconds: float
    backends: tuple[str, ...]
    agent: str

    @property
    def began(self) -> float:
        return self.time - self.seconds

    @property
    def backend(self) -> str:
        """The one that answered, which is the last that was asked; '' if none was."""
        return self.backends[-1] if self.backends else ""


@dataclass(frozen=True)
class Outage:
    """A unit was stopped from one time to another, which is infinite if it still is."""

    stopped: float
    started: float

    def has(self, request: Request) -> bool:
        """Whether a request began and ended in it. The log has whole seconds."""
        return self.stopped < request.began and request.time < self.started - 1


class Evidence:
    """The records of all machines, each read once.

    Args:
        since: when the exercise was begun, in seconds since 1970.
    """

    def __init__(self, lab: Lab, since: float) -> None:
        self.lab, self.since = lab, since

    @cached_property
    def requests(self) -> list[Request]:
        """All requests in the logs of the frontends, by time."""
        argument = {"log": ACCESS_LOG, "since": int(self.since), "without": DRILL_AGENT}
        logs = self.lab.everywhere(lambda box: box.python(READ_LOG, argument, root=True), self.lab.tier("frontends"))
        names = {f"{box.address}:{box.role('app')['app_port']}": box.name for box in self.lab.tier("backends")}
        return sorted((parse(entry, names) for log in logs.values() for entry in log), key=lambda one: one.time)

    def of_client(self, path: str = "", agent: str = "") -> list[Request]:
        """The requests from `client`, the user's computer; of one path or one user agent only."""
        addresses = self.lab.addresses("clients")
        return [
            one for one in self.requests if one.client in addresses and path in ("", one.path) and agent in one.agent
        ]

    def request(self, request_id: str) -> Request | None:
        """The request with this id."""
        return next((one for one in self.requests if one.request_id == request_id), None)

    def app_lines(self, box: Box, text: str = "") -> list[dict[str, Any]]:
        """The lines of a backend's app, those that contain a text."""
        command = "journalctl --quiet --unit=%s --output=cat --since=@%s" + (" --grep=%s" if text else "")
        arguments = [box.service, str(int(self.since)), *([text] if text else [])]
        lines = box.root(command, *arguments).stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def outages(self, box: Box, unit: str) -> list[Outage]:
        """When a unit was stopped, in the order of time."""
        command = "journalctl --quiet --output=json --since=@%s UNIT=%s MESSAGE_ID=%s MESSAGE_ID=%s"
        printed = box.root(command, str(int(self.since)), unit, STARTED, STOPPED).stdout
        return outages([json.loads(line) for line in printed.splitlines()])

    def up_since(self, box: Box) -> float:
        """When the machine was started last, in seconds since 1970."""
        return float(box.output("systemctl show --property=UserspaceTimestamp --value --timestamp=unix").lstrip("@"))


def parse(entry: dict[str, Any], names: dict[str, str]) -> Request:
    """A line of the log; `names` are those of the backends by their addresses and ports."""
    asked = [one.strip() for one in str(entry["upstream"]).replace(" : ", ", ").split(",")]
    return Request(
        time=datetime.fromisoformat(entry["time"]).timestamp(),
        frontend=entry["frontend"],
        request_id=entry["request_id"],
        client=entry["client"],
        method=entry["method"],
        path=entry["uri"],
        status=int(entry["status"]),
        seconds=float(entry["seconds"]),
        backends=tuple(names[one] for one in asked if one in names),
        agent=entry["agent"],
    )


def outages(entries: Sequence[dict[str, Any]]) -> list[Outage]:
    """The outages in entries of the journal."""
    found, stopped = [], None
    for entry in entries:
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        if entry["MESSAGE_ID"] == STOPPED and stopped is None:
            stopped = at
        elif entry["MESSAGE_ID"] == STARTED and stopped is not None:
            found.append(Outage(stopped, at))
            stopped = None
    return [*found, *([Outage(stopped, float("inf"))] if stopped is not None else [])]
