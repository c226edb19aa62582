"""Finds a request in the logs of the machines by its id."""

from __future__ import annotations

import json
from typing import Any

from lab.machines import Box
from lab.waiting import wait_until

ACCESS_LOG, ERROR_LOG = "/var/log/nginx/access.log", "/var/log/nginx/error.log"


def logged_by_frontend(frontend: Box, request_id: str) -> dict[str, Any]:
    """A request's line in nginx's log."""
    found = wait_until(
        lambda: frontend.root("grep --fixed-strings %s %s", request_id, ACCESS_LOG).stdout,
        f"{frontend.name} has logged {request_id}",
    )
    return dict(json.loads(found.splitlines()[0]))


def logged_by_backend(backend: Box, request_id: str) -> list[dict[str, Any]]:
    """A request's lines in the backend's journal; the line of the request itself comes last."""
    command = "journalctl --unit=%s --output=cat --since=-5min --grep=%s"

    def found() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in backend.root(command, backend.service, request_id).stdout.splitlines()]
        return lines if any(line["event"] == "request" for line in lines) else []

    return wait_until(found, f"{backend.name} has logged {request_id}")
