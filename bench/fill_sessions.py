"""Fills a Redis with sessions through the app's own code, measures, and removes exactly these; JSON in, JSON out.

Runs where the app is, on a backend. The argument has `redis` (host and port), `user`, `password` and `sessions`.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import redis
from revezamento.logs import DownLog
from revezamento.metrics import Metrics
from revezamento.redis_link import RedisLink
from revezamento.session_keys import digest_of, forget, hot_keys, index_of, keys_of
from revezamento.session_store import READ, Origin, SessionStore

BATCH = 500
FEW = 1000
READS = 3000
SAMPLE = 100


class Batch:
    """Stands in for the app's connection: collects what it would send."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def script(self, _: str) -> None:
        """The app makes its script here; `Filler` runs it itself."""

    def transaction(self, fill: Callable[[Any], None]) -> None:
        """Collect a login."""
        fill(self._pipeline)


class Filler:
    """Sessions of users that do not exist, each with one visit."""

    def __init__(self, client: Any, settings: Any, metrics: Any) -> None:
        self.client = client
        self.sids: list[str] = []
        self._settings = settings
        self._metrics = metrics
        self._first = 2**40  # no user has such an id

    def fill(self, size: int) -> None:
        """Add sessions until there are `size`."""
        script = self.client.script_load(READ)
        with self.client.pipeline(transaction=False) as pipeline:
            store = SessionStore(Batch(pipeline), self._settings, self._metrics)
            while len(self.sids) < size:
                for _ in range(min(BATCH, size - len(self.sids))):
                    number = len(self.sids)
                    user = {
                        "id": self._first + number,
                        "usuario": f"bench{number:07d}",
                        "nome": "Maria Aparecida da Silva",
                        "email": f"bench{number:07d}@bench.invalid",
                    }
                    sid, _ = store.create(user, Origin("172.20.0.100", "Firefox, Linux"), None)
                    self.sids.append(sid)
                    pipeline.evalsha(script, 2, *hot_keys(sid), store.idle, 1)
                pipeline.execute()

    def remove(self) -> None:
        """End all of them, as a logout does."""
        with self.client.pipeline(transaction=False) as pipeline:
            for number, sid in enumerate(self.sids):
                forget(pipeline, self._first + number, digest_of(sid))
                if number % BATCH == BATCH - 1:
                    pipeline.execute()
            pipeline.execute()

    def bytes_by_key(self) -> dict[str, float]:
        """Return the mean size of a session's keys, as MEMORY USAGE estimates them."""
        kinds = ("session", "visits", "login", "list of the user's sessions")
        total = dict.fromkeys(kinds, 0)
        for number in random.sample(range(len(self.sids)), min(SAMPLE, len(self.sids))):
            keys = (*keys_of(digest_of(self.sids[number])), index_of(self._first + number))
            for kind, key in zip(kinds, keys, strict=True):
                total[kind] += self.client.memory_usage(key, samples=0)
        return {kind: size / min(SAMPLE, len(self.sids)) for kind, size in total.items()}


def reads(store: Any, sids: list[str], client: Any) -> dict[str, float]:
    """Return how long reading a session takes: for the app, and inside the server."""
    times = []
    before = client.info("commandstats")["cmdstat_evalsha"]
    for sid in random.choices(sids, k=READS):
        started = time.perf_counter()
        found = store.read(sid, 1)
        times.append(time.perf_counter() - started)
        assert found is not None
    after = client.info("commandstats")["cmdstat_evalsha"]
    times.sort()
    server = (after["usec"] - before["usec"]) / (after["calls"] - before["calls"])
    return {"p50_us": times[READS // 2] * 1e6, "p99_us": times[READS * 99 // 100] * 1e6, "server_us": server}


def measured(argument: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the results by name."""
    host, port = argument["redis"]
    settings: Any = SimpleNamespace(
        redis=((host, port),),
        sentinels=(),
        redis_db=0,
        redis_user=argument["user"],
        redis_password=argument["password"],
        ca_file=None,
        threads=4,
        session_idle_seconds=1800,
        session_lifetime_seconds=43_200,
    )
    metrics = Metrics(multiprocess=False)
    client: Any = redis.Redis(host, port, username=argument["user"] or None, password=argument["password"] or None)
    filler = Filler(client, settings, metrics)
    store = SessionStore(RedisLink(settings, DownLog(metrics)), settings, metrics)
    before, keys = client.info("memory")["used_memory"], client.dbsize()
    try:
        for size in sorted({min(FEW, argument["sessions"]), argument["sessions"]}):
            started = time.perf_counter()
            filler.fill(size)
            seconds = time.perf_counter() - started
            used = client.info("memory")["used_memory"]
            yield str(size), {"bytes": (used - before) / size, "seconds": seconds} | reads(store, filler.sids, client)
        yield "bytes_by_key", filler.bytes_by_key()
        yield "redis", client.info("server")["redis_version"]
    finally:
        filler.remove()
    yield "left", {"keys": client.dbsize() - keys, "bytes": client.info("memory")["used_memory"] - before}


if __name__ == "__main__":
    print(json.dumps(dict(measured(json.load(sys.stdin)))))
