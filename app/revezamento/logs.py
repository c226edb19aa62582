"""JSON lines on stdout, which systemd sends to the journal: one for each request and each notable event."""

import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import cached_property
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from revezamento import deadline
from revezamento.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DOWN_LOG_SECONDS = 5
"""At most one line per dependency in this time; the request lines show the rest."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)

_request: ContextVar[Mapping[str, str] | None] = ContextVar("request", default=None)
"""What all log lines of the current request have in common; one variable costs less than structlog's, one per key."""


def _add_request(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    event.update(_request.get() or {})
    return event


def _render(_: Any, __: str, event: structlog.types.EventDict) -> str:
    return _JSON.encode(event)


_SHARED: list[structlog.types.Processor] = [
    _add_request,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_RENDERED: list[structlog.types.Processor] = [
    structlog.processors.format_exc_info,
    _render,
]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def json_formatter() -> logging.Formatter:
    """Return a formatter that writes records of the standard library as the same JSON lines."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_RENDERED],
    )


def configure(stream: TextIO = sys.stdout) -> None:
    """Send the logs of this process, including those of libraries, to a stream as JSON lines."""
    structlog.configure(
        processors=[*_SHARED, *_RENDERED],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class RequestLog:
    """WSGI middleware that logs and measures each request, limits its waits, and adds its id to all its log lines.

    The id comes from nginx (`X-Request-Id`), so that one search finds a request in both logs.
    """

    def __init__(self, app: "WSGIApplication", node: str, routes: frozenset[str], metrics: Metrics) -> None:
        self._app = app
        self._node = node
        self._routes = routes
        self._metrics = metrics

    @cached_property
    def _log(self) -> structlog.typing.FilteringBoundLogger:
        # The global one looks up its configuration for each line.
        return log.bind()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the wrapped application and log the request."""
        started = perf_counter()
        status = 500
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        _request.set({"request_id": request_id, "backend": self._node})

        def remember(status_line: str, *args: Any) -> "Callable[[bytes], object]":
            nonlocal status
            status = int(status_line[:3])
            return start_response(status_line, *args)

        try:
            with deadline.of_request():
                return self._app(environ, remember)
        finally:
            seconds = perf_counter() - started
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self._metrics.observe(method, path if path in self._routes else "other", status, seconds)
            self._log.info(
                "request",
                method=method,
                path=path,
                status=status,
                ms=round(seconds * 1000, 1),
                client=environ.get("REMOTE_ADDR"),
            )


class DownLog:
    """Logs that a dependency is down, at most once every `DOWN_LOG_SECONDS`, and counts every failure."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._next: dict[str, float] = {}

    def report(self, dependency: str, error: Exception) -> None:
        """Count the failure of `dependency`, and log it unless it was logged a moment ago."""
        self._metrics.dependency_errors.labels(dependency).inc()
        now = monotonic()
        if now >= self._next.get(dependency, 0):
            self._next[dependency] = now + DOWN_LOG_SECONDS
            log.error("dependency down", dependency=dependency, error=str(getattr(error, "orig", error)))
