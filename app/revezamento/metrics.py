"""Prometheus metrics: requests, logins, corrupt sessions, failures of Redis and MySQL."""

import os

# prometheus_client reads this variable when it is imported.
if _directory := os.environ.get("REVEZAMENTO_METRICS_DIR"):
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", _directory)

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST"})
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The metrics of one app, in their own registry.

    Args:
        multiprocess: whether the workers share them through files in `$PROMETHEUS_MULTIPROC_DIR`.
    """

    def __init__(self, *, multiprocess: bool) -> None:
        self._multiprocess = multiprocess
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "revezamento_requests", "Responses, by status", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "revezamento_request_seconds",
            "Time in the app",
            ["route"],
            registry=self._registry,
            buckets=SECONDS_BUCKETS,
        )
        self.logins = Counter("revezamento_logins", "Login attempts, by result", ["result"], registry=self._registry)
        self.corrupt_sessions = Counter(
            "revezamento_corrupt_sessions", "Sessions deleted because they were unreadable", registry=self._registry
        )
        self.dependency_errors = Counter(
            "revezamento_dependency_errors",
            "Failed calls to Redis or MySQL",
            ["dependency"],
            registry=self._registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record one response; `route` must come from a small set, because each value is a time series."""
        key = (method if method in METHODS else "other", route, status)
        if key not in self._series:
            self._series[key] = self.requests.labels(*key), self.seconds.labels(route)
        requests, duration = self._series[key]
        requests.inc()
        duration.observe(seconds)

    def exposition(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        registry = self._registry
        if self._multiprocess:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
