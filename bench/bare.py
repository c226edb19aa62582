"""The least that an application can do under our Gunicorn: an answer, and at /redis one command to Redis before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from revezamento.logs import DownLog
from revezamento.metrics import Metrics
from revezamento.redis_link import RedisLink
from revezamento.settings import read_settings

BODY = b'{"ok":true}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


@cache
def link() -> Any:
    """The app's own connection to Redis."""
    return RedisLink(read_settings(), DownLog(Metrics(multiprocess=False)))


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer any request."""
    if environ["PATH_INFO"] == "/redis":
        link().run(lambda client: client.get("sess:bench"))
    start_response("200 OK", HEADERS)
    return [BODY]
