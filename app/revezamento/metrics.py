"""What Prometheus may ask: requests, logins, corrupt sessions, failures of Redis and MySQL."""

import os

# The library chooses between one process and many when it is imported, by its own variable.
if _directory := os.environ.get("REVEZAMENTO_METRICS_DIR"):
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", _directory)

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST"})
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The measurements of one app, in a registry of its own.

    Args:
        multiprocess: whether the workers share them through the files of `$PROMETHEUS_MULTIPROC_DIR`.
    """

    def __init__(self, *, multiprocess: bool) -> None:
        self._multiprocess = multiprocess
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "revezamento_requests", "Answers, by status", ["method", "route", "status"], registry=self._registry
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
            "Calls that Redis or MySQL did not serve",
            ["dependency"],
            registry=self._registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; `route` must come from a small set, because every value is kept."""
        self.requests.labels(method if method in METHODS else "other", route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def exposition(self) -> bytes:
        """Return all measurements in Prometheus' text format, those of the other workers included."""
        registry = self._registry
        if self._multiprocess:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
