"""The least that an application can do under our Gunicorn: an answer, and at /redis one command to Redis before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

BODY = b'{"ok":true}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


@cache
def link() -> Any:
    """The app's own connection to Redis."""
    logs, metrics, redis_link, settings = (
        import_module(f"revezamento.{name}") for name in ("logs", "metrics", "redis_link", "settings")
    )
    return redis_link.RedisLink(settings.read_settings(), logs.DownLog(metrics.Metrics(multiprocess=False)))


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer any request."""
    if environ["PATH_INFO"] == "/redis":
        link().run(lambda client: client.get("sess:bench"))
    start_response("200 OK", HEADERS)
    return [BODY]
