"""Health routes: `/status` is public, the others are for the internal network."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from revezamento.database import Database
from revezamento.redis_link import RedisLink
from revezamento.services import services

STATUS_SECONDS = 0.25
"""`/status` is polled by many, and often; Redis and MySQL are asked at most once in this time."""

health = Blueprint("health", __name__)


@health.get("/status")
def status() -> Response:
    """Show this server, how fast Redis and MySQL answer it, and which of their machines serve; always 200."""
    current = services()
    return jsonify(
        servidor=current.settings.server_name,
        versao=current.settings.release,
        desde=current.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        redis=current.redis_health.get(),
        mysql=current.mysql_health.get(),
    )


@health.get("/livez")
def livez() -> Response:
    """Return 200 as long as this process handles requests."""
    return jsonify(ok=True)


@health.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Return 200 if logged-in users can be served, otherwise 503."""
    is_ready = services().readiness.is_ready()
    return jsonify(ok=is_ready), HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE


@health.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(services().metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def probe(dependency: RedisLink | Database) -> dict[str, Any]:
    """Return whether Redis or MySQL answers, how fast (`ms`), and which of its machines serve."""
    milliseconds = dependency.ping_ms()
    ms = None if milliseconds is None else round(milliseconds, 1)
    return {"ok": ms is not None, "ms": ms} | dependency.machines
