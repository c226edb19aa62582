"""Machines as network namespaces with a firewall, on one bridge. Runs in the workbench, as root, and needs no more than
Python, ip and nft:

    unshare --net python3 namespaces.py matrix < machines.json    who reaches what
    unshare --net python3 namespaces.py reload < machines.json    whether a connection survives new rules

No namespace has a name, so nothing is left when this process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

QUIET_SECONDS = 1.2
"""Packets pass between namespaces at once. This is longer than until the kernel repeats a SYN."""

VRRP = 112
DHCP = {"server": (67, 68), "client": (68, 67)}
"""Source and destination ports of what each of them sends."""

ECHO = {
    4: (socket.IPPROTO_ICMP, bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), 0),
    6: (socket.IPPROTO_ICMPV6, bytes([128, *7 * [0]]), 129),
}
"""For each version of IP: the protocol, a request, and the type of its reply."""

Reached = Iterator[tuple[str, str, str]]
"""Sender, target, and what was reached there, such as `tcp/22`. Both are addresses; '' is this machine."""


def version(address: str) -> int:
    return 6 if ":" in address else 4


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def batch(commands: Sequence[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def load(rules: str) -> None:
    subprocess.run(["nft", "--file", "-"], input=rules, text=True, check=True)


class Machine:
    """This process's namespace: listens on all ports of interest, and tries all those of the other machines."""

    def __init__(self, network: Mapping[str, Any]) -> None:
        """Configure the interface, load the rules, and listen."""
        number, owners = network["number"], network["owners"]
        batch(
            [
                "link set lo up",
                f"link set eth0 address {mac(number)} up",
                *(f"address add {one} dev eth0{' nodad' * (version(one) == 6)}" for one in network["addresses"]),
                "route add default dev eth0",
                # So many machines would fill the table of neighbors, which all namespaces share.
                *(f"neighbor add {one} lladdr {mac(owners[one])} dev eth0" for one in owners if version(one) == 4),
            ]
        )
        load(network["rules"])
        self.others = [address for address, owner in owners.items() if owner != number]
        self.targets = [address for address in self.others if version(address) == 4]
        self.tcp: list[int] = network["tcp"]
        for port in self.tcp:
            socket.create_server(("0.0.0.0", port), backlog=1024).detach()
        self.udp = {port: socket.socket(type=socket.SOCK_DGRAM) for port in network["udp"]}
        for port, listener in self.udp.items():
            listener.bind(("0.0.0.0", port))
        self.any_port = socket.socket(type=socket.SOCK_DGRAM)
        self.vrrp = socket.socket(type=socket.SOCK_RAW, proto=VRRP)
        self.ping = {
            4: socket.socket(type=socket.SOCK_RAW, proto=ECHO[4][0]),
            6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, ECHO[6][0]),
        }

    def probe(self) -> Reached:
        """What this machine reaches by TCP. Datagrams and pings are only sent."""
        for target in self.others:
            send(self.ping[version(target)], ECHO[version(target)][1], (target, 0))
        for target in self.targets:
            send(self.vrrp, f"vrrp {target}".encode(), (target, 0))
            for port in self.udp:
                send(self.any_port, f"udp/{port} {target}".encode(), (target, port))
            for role, (source, port) in DHCP.items():
                send(self.udp[source], f"DHCP {role} {target}".encode(), (target, port))
        for address, port in connected(product(self.targets, self.tcp)):
            yield "", address, f"tcp/{port}"

    def received(self) -> Reached:
        """The datagrams that have arrived here, and the answers to this machine's pings."""
        for listener in [*self.udp.values(), self.vrrp]:
            for data, sender in arrived(listener):
                what, _, target = data[20 * (listener is self.vrrp) :].decode().rpartition(" ")
                yield sender, target, what
        for family, listener in self.ping.items():
            for data, sender in arrived(listener):
                if data[20 * (family == 4)] == ECHO[family][2]:
                    yield "", sender, "ping"


def send(sender: socket.socket, data: bytes, target: tuple[str, int]) -> None:
    with suppress(PermissionError):  # the machine's own firewall
        sender.sendto(data, target)


def arrived(listener: socket.socket) -> Iterator[tuple[bytes, str]]:
    """The datagrams that wait in a socket, and their senders."""
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            data, sender = listener.recvfrom(2048)
            yield data, sender[0]


def connected(endpoints: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Those that accept a connection. All attempts run at once, until none has been accepted for a while."""
    poll, waiting = select.poll(), {}
    for endpoint in endpoints:
        attempt = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        attempt.connect_ex(endpoint)
        waiting[attempt.fileno()] = attempt, endpoint
        poll.register(attempt, select.POLLOUT)
    while events := poll.poll(1000 * QUIET_SECONDS):
        for descriptor, _ in events:
            poll.unregister(descriptor)
            attempt, endpoint = waiting.pop(descriptor)
            if error := attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, f"{os.strerror(error)}: {endpoint}")
            attempt.close()
            yield endpoint


def be_a_machine() -> None:
    """Obey the commands of `Machines`, one JSON line each."""
    machine, peer = None, socket.socket()
    for line in sys.stdin:
        do, argument = json.loads(line)
        result: Any = None
        if do == "configure":
            machine = Machine(argument)
        elif do == "load":
            load(argument)
        elif do == "listen":
            peer = socket.create_server(("0.0.0.0", argument))
        elif do == "connect":
            peer = socket.create_connection(argument, QUIET_SECONDS)
        elif do == "accept":
            peer = peer.accept()[0]
        elif do == "send":
            peer.sendall(argument.encode())
        elif do == "receive":
            peer.settimeout(QUIET_SECONDS)
            try:
                result = peer.recv(100).decode()
            except TimeoutError:
                result = ""
        elif machine:
            result = sorted(getattr(machine, do)())
        print(json.dumps(result), flush=True)


class Machines:
    """A bridge in this process's namespace, and a process with a namespace for each machine."""

    def __init__(self, lab: Mapping[str, Any]) -> None:
        command, pipe = ["unshare", "--net", sys.executable, __file__, "machine"], subprocess.PIPE
        self.addresses = {
            name: [address.partition("/")[0] for address in machine["addresses"]]
            for name, machine in lab["machines"].items()
        }
        self.processes = {
            name: subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for name in self.addresses
        }
        self.ask("load", dict.fromkeys(self.processes, ""))  # they have started, and left this namespace
        numbers = {name: number for number, name in enumerate(self.processes, start=1)}
        batch(
            [
                "link add bridge0 type bridge mcast_snooping 0",
                "link set bridge0 up",
                *(
                    f"link add port{numbers[name]} type veth peer name eth0 netns {process.pid}\n"
                    f"link set port{numbers[name]} master bridge0 up"
                    for name, process in self.processes.items()
                ),
            ]
        )
        owners = {address: numbers[name] for name, own in self.addresses.items() for address in own}
        shared = {"owners": owners, "tcp": lab["tcp"], "udp": lab["udp"]}
        self.ask(
            "configure", {name: {"number": numbers[name], **shared, **one} for name, one in lab["machines"].items()}
        )

    def ask(self, do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Give these machines a command at once; return their results."""
        for name, argument in arguments.items():
            print(json.dumps([do, argument]), file=self.processes[name].stdin, flush=True)
        results = {}
        for name in arguments:
            stdout = self.processes[name].stdout
            if not (line := stdout.readline() if stdout else ""):
                sys.exit(f"{name}: {do} failed")
            results[name] = json.loads(line)
        return results

    def matrix(self) -> list[tuple[str, str, str]]:
        """Everything that was reached: sender and target, both by their addresses, and port."""
        everyone = dict.fromkeys(self.processes)
        return [
            (sender or self.addresses[name][0], target, what)
            for do in ("probe", "received")
            for name, reached in self.ask(do, everyone).items()
            for sender, target, what in reached
        ]


def reload(lab: Mapping[str, Any]) -> dict[str, str]:
    """What arrives on a connection after both its ends have got new rules."""
    machines, client, server, port = Machines(lab), lab["client"], lab["server"], lab["port"]
    machines.ask("listen", {server: port})
    machines.ask("connect", {client: [machines.addresses[server][0], port]})
    machines.ask("accept", {server: None})

    def message(sender: str, receiver: str, text: str) -> str:
        machines.ask("send", {sender: text})
        return str(machines.ask("receive", {receiver: None})[receiver])

    if lab["between"]:
        machines.ask("load", dict.fromkeys((client, server), lab["between"]))
        message(server, client, "any")
    machines.ask("load", lab["new_rules"])
    return {
        "server first": message(server, client, "server first"),
        "client": message(client, server, "client"),
        "server": message(server, client, "server"),
    }


def main() -> None:
    (what,) = sys.argv[1:]
    if what == "machine":
        be_a_machine()
        return
    lab = json.load(sys.stdin)
    started = time.monotonic()
    print(json.dumps(Machines(lab).matrix() if what == "matrix" else reload(lab)))
    print(f"{time.monotonic() - started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
