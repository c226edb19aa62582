"""Flask, without work that is the same for every request."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import MapAdapter

_ADAPTERS = 200
"""Requests that are routed alike and are remembered; clients can invent any number of hosts and paths."""

_ROUTED_BY = (
    "REQUEST_METHOD",
    "PATH_INFO",
    "SCRIPT_NAME",
    "wsgi.url_scheme",
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTP_CONNECTION",
    "HTTP_UPGRADE",
)
"""What Werkzeug's `Map.bind_to_environ` reads, without the query."""


class Json(DefaultJSONProvider):
    """JSON in the order of its fields and without spaces, from an encoder that is made once."""

    _encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return an object as JSON; Flask's options are ignored."""
        return self._encoder.encode(obj)


class LeanFlask(Flask):
    """Flask for plain functions."""

    json_provider_class = Json

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self._adapters: dict[tuple[Any, ...], MapAdapter | None] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: none here is asynchronous, and asking costs more than some of them."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return the adapter that routes a request; requests that are routed alike share one."""
        if request is None or request.query_string:
            return super().create_url_adapter(request)
        key = tuple(map(request.environ.get, _ROUTED_BY))
        adapter = self._adapters.get(key)
        if adapter is None:
            adapter = super().create_url_adapter(request)
            if len(self._adapters) >= _ADAPTERS:
                self._adapters.clear()
            self._adapters[key] = adapter
        return adapter
