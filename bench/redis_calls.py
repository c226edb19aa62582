"""What Redis itself spends on reading a session, in several ways: `python -m bench.redis_calls 127.0.0.1:6379`.

Any Redis will do; without an argument it is the one of `python -m tests.workbench`. The keys begin with `bench:`, and
they are removed afterwards.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import redis

from lab.inventory import ROOT

SESSIONS = 1000
IDLE_SECONDS = 1800
VALUE = b'{"id":123456,"usuario":"ana","nome":"Ana da Silva","email":"ana@example.com","created":1796000000}'

HASH = """
local value = redis.call('HGET', KEYS[1], 'value')
if not value then return false end
local visits = redis.call('HINCRBY', KEYS[1], 'visits', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {value, visits}
"""
LIBRARY = "#!lua name=bench\nredis.register_function('bench_read', function(KEYS, ARGV){}end)\n"

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True)
class Way:
    """One way to read a session, renew it and count the visit: the commands for its key, sent together."""

    name: str
    commands: Callable[[str], list[Command]]


@dataclass(frozen=True)
class Cost:
    """What one way costs the server.

    Attributes:
        cpu_us: processor time for each session, in each round, including that of reading, parsing and answering.
        in_commands_us: the part inside the commands, as INFO commandstats counts it.
        leaves: how many keys a session that has ended has afterwards.
    """

    cpu_us: list[float]
    in_commands_us: list[float]
    leaves: int


def ways(client: redis.Redis, script: str) -> list[Way]:
    """The ways that this server knows; the first one is the app's."""
    app, on_hash = (client.script_load(text) for text in (script, HASH))
    client.function_load(LIBRARY.replace("{}", script), replace=True)

    def string(key: str) -> list[Command]:
        return [("GETEX", key, "EX", IDLE_SECONDS), ("INCRBY", f"{key}:v", 1), ("EXPIRE", f"{key}:v", IDLE_SECONDS)]

    found = [
        Way("EVALSHA, the app's script", lambda key: [("EVALSHA", app, 2, key, f"{key}:v", IDLE_SECONDS, 1)]),
        Way(
            "FCALL, the same as a function", lambda key: [("FCALL", "bench_read", 2, key, f"{key}:v", IDLE_SECONDS, 1)]
        ),
        Way("EVALSHA on one hash", lambda key: [("EVALSHA", on_hash, 1, f"{key}:h", IDLE_SECONDS, 1)]),
        Way("GETEX, INCRBY, EXPIRE in MULTI", lambda key: [("MULTI",), *string(key), ("EXEC",)]),
        Way("GETEX, INCRBY, EXPIRE pipelined", string),
        Way(
            "HGET, HINCRBY, EXPIRE pipelined, on one hash",
            lambda key: [
                ("HGET", f"{key}:h", "value"),
                ("HINCRBY", f"{key}:h", "visits", 1),
                ("EXPIRE", f"{key}:h", IDLE_SECONDS),
            ],
        ),
        Way(
            "HGETEX, HINCRBY pipelined, on one hash",
            lambda key: [
                ("HGETEX", f"{key}:h", "EX", IDLE_SECONDS, "FIELDS", 1, "value"),
                ("HINCRBY", f"{key}:h", "visits", 1),
            ],
        ),
        Way(
            "ZADD XX INCR, EXPIRE, ZRANGE pipelined, on one sorted set",
            lambda key: [
                ("ZADD", f"{key}:z", "XX", "INCR", 1, "visits"),
                ("EXPIRE", f"{key}:z", IDLE_SECONDS),
                ("ZRANGE", f"{key}:z", 0, -1),
            ],
        ),
        Way("GETEX alone", lambda key: string(key)[:1]),
        Way("PING", lambda _: [("PING",)]),
    ]
    is_new = int(client.info("server")["redis_version"].partition(".")[0]) >= 8
    return [way for way in found if is_new or "HGETEX" not in way.name]


@contextmanager
def sessions(client: redis.Redis) -> Iterator[list[str]]:
    """Sessions in each format, by the same keys; they are removed afterwards, and so is the library."""
    keys = [f"bench:{secrets.token_hex(32)}" for _ in range(SESSIONS)]
    with client.pipeline(transaction=False) as pipeline:
        try:
            for key in keys:
                pipeline.set(key, VALUE)
                pipeline.set(f"{key}:v", 1)
                pipeline.hset(f"{key}:h", mapping={"value": VALUE, "visits": 1})
                pipeline.zadd(f"{key}:z", {VALUE: 0, b"visits": 1})
                for name in names(key):
                    pipeline.expire(name, IDLE_SECONDS)
            pipeline.execute()
            yield keys
        finally:
            pipeline.reset()
            for key in keys:
                pipeline.delete(*names(key))
            pipeline.function_delete("bench")
            pipeline.execute(raise_on_error=False)


def names(key: str) -> list[str]:
    return [key, f"{key}:v", f"{key}:h", f"{key}:z"]


def measure(client: redis.Redis, script: str, rounds: int, calls: int) -> dict[str, Cost]:
    """Measure all ways in turn, in every round."""
    connection: Any = client.connection_pool.get_connection()

    def ask(commands: Sequence[Command]) -> None:
        connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:
            connection.read_response()

    costs: dict[str, Cost] = {}
    try:
        with sessions(client) as keys:
            found = ways(client, script)
            for way in found:
                gone = f"bench:{secrets.token_hex(32)}"
                ask(way.commands(gone))
                costs[way.name] = Cost([], [], client.delete(*names(gone)))
            for _ in range(rounds):
                for way in found:
                    for key in keys[:100]:
                        ask(way.commands(key))
                    before = spent(client, way)
                    for _ in range(calls):
                        ask(way.commands(random.choice(keys)))
                    cpu, inside = (after - first for after, first in zip(spent(client, way), before, strict=True))
                    costs[way.name].cpu_us.append(cpu / calls)
                    costs[way.name].in_commands_us.append(inside / calls)
    finally:
        client.connection_pool.release(connection)
    return costs


def spent(client: redis.Redis, way: Way) -> tuple[float, float]:
    """Microseconds that the server's main thread has spent, and those inside the commands of one way."""
    cpu: Mapping[str, float] = client.info("cpu")
    stats: Mapping[str, Any] = client.info("commandstats")
    kinds = {str(command[0]).lower() for command in way.commands("")} - {"multi"}
    if "exec" in kinds:
        kinds = {"exec"}  # which counts the time of the others, too
    inside = sum(stats.get(f"cmdstat_{kind}", {}).get("usec", 0) for kind in kinds)
    return sum(cpu[f"used_cpu_{mode}_main_thread"] for mode in ("user", "sys")) * 1e6, inside


def table(costs: Mapping[str, Cost]) -> str:
    """Return the ways as a table in Markdown."""
    header = ("one session, read and counted", "processor time, µs", "of it in commands, µs", "keys if it had ended")
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for name, cost in costs.items():
        cpu = f"**{median(cost.cpu_us):.1f}** ({min(cost.cpu_us):.1f}-{max(cost.cpu_us):.1f})"
        lines.append(f"| {name} | {cpu} | {median(cost.in_commands_us):.1f} | {cost.leaves} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.redis_calls", description=__doc__)
    parser.add_argument("address", nargs="?", default=os.environ.get("REVEZAMENTO_TEST_REDIS", "127.0.0.1:6379"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=1500, help="of each way in each round")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    sys.path.insert(0, str(ROOT / "app"))
    script: str = importlib.import_module("revezamento.session_store").READ
    with redis.Redis(host, int(port), password=os.environ.get("REVEZAMENTO_TEST_REDIS_PASSWORD")) as client:
        print(f"Redis {client.info('server')['redis_version']}, {options.rounds} x {options.calls} calls of each\n")
        print(table(measure(client, script, options.rounds, options.calls)))


if __name__ == "__main__":
    main()
