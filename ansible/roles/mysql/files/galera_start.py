#!/usr/bin/python3
"""Start MariaDB as a member of a Galera cluster, or as the member that the cluster starts from.

    galera-start [--mysql-port=3306] [--election-port=4569] ADDRESS MEMBER…

The ExecStart of mariadb.service. ADDRESS is this machine's, MEMBER… are the addresses of all members.
While a member of the cluster serves, this one joins it, after those that join already: a member that comes
while another gets its copy can split a small cluster. Otherwise all members are down, and exactly one
of them has to start the cluster: the one with the last change. Each member offers its position (the
cluster's id and the number of its last change) at the election port and reads those of the others. The
cluster starts only when all members have answered, so that no acknowledged change is lost.

If a member is lost for good, an administrator chooses where to start: `galera_new_cluster`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

DATA = Path("/var/lib/mysql")
GALERA_PORT = 4567
NO_DATABASES = {"mysql", "performance_schema", "sys", "test", "lost+found"}
NO_CLUSTER = "00000000-0000-0000-0000-000000000000"

ANSWER_SECONDS = 1.0
ATTEMPT_SECONDS = 60.0
"""Then the start fails with the reason, and systemd tries again."""
LAST_ANSWERS_SECONDS = 3.0
"""After a refusal, so that the others see its reason too."""
SILENT_SECONDS = 5.0
"""How long a member may be silent between its last offer and the start of its join."""

ADVICE = """\
All members were down. The one with the last change has to start the cluster, so all have to be asked.
Is one lost for good? Then run galera_new_cluster at the one with the last change."""


class Refused(Exception):
    """The cluster cannot start without a person's decision."""


@dataclass(frozen=True)
class Position:
    """What a member that is down has. `cluster` is '' if it was never in one, NO_CLUSTER if its copy is incomplete."""

    cluster: str
    seqno: int
    databases: bool

    @property
    def is_copy(self) -> bool:
        return self.cluster not in ("", NO_CLUSTER)

    @property
    def is_foreign(self) -> bool:
        """Whether there is something that joining would destroy."""
        return self.databases and not self.cluster

    def __str__(self) -> str:
        if self.is_copy:
            return f"change {self.seqno} of cluster {self.cluster[:8]}"
        if self.cluster:
            return "an incomplete copy"
        return "a database that was never in the cluster" if self.databases else "no data"


Positions = Mapping[str, Position]


def listed(positions: Positions) -> str:
    return ", ".join(f"{address} has {position}" for address, position in positions.items())


def first(positions: Positions) -> str:
    """The member that the cluster starts from, of equals the first. Raises Refused if that is not certain."""
    copies = {address: position for address, position in positions.items() if position.is_copy}
    foreign = {address: position for address, position in positions.items() if position.is_foreign}
    if len({position.cluster for position in copies.values()}) > 1:
        raise Refused(f"there are two clusters: {listed(copies)}")
    if len(foreign) > 1 or (copies and foreign):
        raise Refused(f"joining would overwrite a database: {listed({**copies, **foreign})}")
    if copies:
        return max(copies, key=lambda address: copies[address].seqno)
    if any(position.cluster for position in positions.values()):
        raise Refused(f"no member has all data: {listed(positions)}")
    return next(iter(foreign or positions))


def own_position(data: Path, recovered: str) -> Position:
    """`recovered` is what InnoDB has, `<cluster>:<seqno>`. Galera has marked an unfinished full copy in grastate.dat.

    A cluster that ended before its first change is in grastate.dat only, and counts as if it had never been.
    """
    state = data / "grastate.dat"
    saved = re.search(r"^uuid:\s*(\S+)", state.read_text(), re.MULTILINE) if state.exists() else None
    databases = any(path.is_dir() and path.name not in NO_DATABASES for path in data.glob("[!#.]*"))
    cluster, _, seqno = recovered.partition(":")
    if saved and saved[1] == NO_CLUSTER:
        return Position(NO_CLUSTER, -1, databases)
    if not saved or cluster == NO_CLUSTER:
        return Position("", -1, databases)
    return Position(cluster, int(seqno), databases)


def connect(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), ANSWER_SECONDS)


def answers(address: str, port: int) -> bool:
    try:
        with connect(address, port):
            return True
    except OSError:
        return False


def ask(address: str, port: int) -> Position | None:
    """The position of a member that is down and runs this program as well."""
    try:
        with connect(address, port) as link:
            return Position(**json.loads(link.makefile().readline()))
    except (OSError, ValueError, TypeError):
        return None


def offer(address: str, port: int, position: Position) -> None:
    """Answer the other members until this process becomes MariaDB."""
    line = json.dumps(asdict(position)).encode() + b"\n"
    server = socket.create_server((address, port), backlog=16)

    def answer() -> None:
        while True:
            try:
                link, _ = server.accept()
                with link:
                    link.sendall(line)
            except OSError:
                continue

    threading.Thread(target=answer, daemon=True).start()


@dataclass
class Election:
    """The members as this one, at `address`, sees them."""

    address: str
    members: list[str]
    own: Position
    mysql_port: int
    port: int
    heard: dict[str, float] = field(default_factory=dict)
    """When a member that was down last offered its position."""

    def ask_all(self) -> tuple[list[str], list[str], dict[str, Position]]:
        """The members that serve, those that join, and the positions of those that are down.

        A member listens for clients only after it has joined.
        """
        others = [member for member in self.members if member != self.address]
        with ThreadPoolExecutor(3 * len(others)) as pool:
            running = pool.map(lambda member: answers(member, GALERA_PORT), others)
            listening = pool.map(lambda member: answers(member, self.mysql_port), others)
            asked = dict(zip(others, pool.map(lambda member: ask(member, self.port), others), strict=True))
            states = dict(zip(others, zip(running, listening, strict=True), strict=True))
        found = {member: self.own if member == self.address else asked[member] for member in self.members}
        known = {member: position for member, position in found.items() if position}
        self.heard.update(dict.fromkeys(known, time.monotonic()))
        serving = [member for member, state in states.items() if state == (True, True)]
        return serving, [member for member, state in states.items() if state == (True, False)], known

    def before(self, serving: list[str], joining: list[str]) -> list[str]:
        """The members that join before this one: one at a time, in the order of `members`."""
        silent = time.monotonic() - SILENT_SECONDS
        earlier = self.members[: self.members.index(self.address)]
        due = [member for member in earlier if member not in serving and self.heard.get(member, silent) > silent]
        return list(dict.fromkeys([*joining, *due]))

    def starts_here(self, chosen: bool = False) -> bool:
        """Wait until the cluster serves (False), or has to be started here (True): `chosen` by an administrator."""
        offer(self.address, self.port, self.own)
        deadline, said, advice = time.monotonic() + ATTEMPT_SECONDS, "", ""
        while True:
            late = time.monotonic() > deadline
            serving, joining, known = self.ask_all()
            if serving:
                if self.own.is_foreign:
                    raise Refused(f"{self.address} has {self.own}. Joining {serving[0]} would overwrite it")
                awaited = self.before(serving, joining)
                if late or not awaited:
                    return False
            else:
                if chosen:
                    self.refuse_to_lose_changes(known)
                    return True
                awaited = [member for member in self.members if member not in known]
                advice = f".\n{ADVICE}" if awaited else ""
                awaited = awaited or [first(known)]
                if awaited == [self.address]:
                    return True
            reason = f"waiting for {', '.join(awaited)}; {listed(known)}"
            if late:
                raise Refused(reason + advice)
            if reason != said:
                print(reason, flush=True)
                said = reason
            time.sleep(0.5)

    def refuse_to_lose_changes(self, known: Positions) -> None:
        for member, position in known.items():
            if position.cluster == self.own.cluster and position.seqno > self.own.seqno:
                raise Refused(f"{self.address} has {self.own}, but {member} has {position}. Choose {member}")


def start_arguments(data: Path, position: Position, new_history: bool) -> list[str]:
    """Let Galera start a cluster from this data; return mariadbd's arguments.

    With a new history, a member that was given up cannot add changes that this one lacks when it comes back: it gets
    a full copy.
    """
    (data / "gvwstate.dat").unlink(missing_ok=True)
    state = data / "grastate.dat"
    if new_history or not position.is_copy:
        state.unlink(missing_ok=True)
        return ["--wsrep-new-cluster"]
    text = re.sub(r"^uuid:.*", f"uuid:    {position.cluster}", state.read_text(), flags=re.MULTILINE)
    state.write_text(re.sub(r"safe_to_bootstrap:.*", "safe_to_bootstrap: 1", text))
    return ["--wsrep-new-cluster", f"--wsrep-start-position={position.cluster}:{position.seqno}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mysql-port", type=int, default=3306)
    parser.add_argument("--election-port", type=int, default=4569)
    parser.add_argument("address")
    parser.add_argument("members", nargs="+")
    asked = parser.parse_args()
    chosen = bool(os.environ.get("_WSREP_NEW_CLUSTER"))  # by galera_new_cluster

    # After a power cut, its number may be another process's, and the next full copy would wait for that.
    (DATA / "wsrep_sst.pid").unlink(missing_ok=True)
    recovery = subprocess.run(["/usr/bin/galera_recovery"], stdout=subprocess.PIPE, text=True, check=True)
    option = recovery.stdout.strip()  # --wsrep_start_position=<cluster>:<seqno>
    position = own_position(DATA, option.partition("=")[2])
    election = Election(asked.address, asked.members, position, asked.mysql_port, asked.election_port)
    try:
        here = election.starts_here(chosen)
    except Refused as reason:
        print(f"MariaDB does not start: {reason}", flush=True)
        time.sleep(LAST_ANSWERS_SECONDS)
        sys.exit(1)
    print(f"{asked.address} has {position} and {'starts' if here else 'joins'} the cluster", flush=True)
    arguments = start_arguments(DATA, position, new_history=chosen) if here else [option]
    os.execv("/usr/sbin/mariadbd", ["mariadbd", *os.environ.get("MYSQLD_OPTS", "").split(), *arguments])


if __name__ == "__main__":
    main()
