"""Forwarded headers count if they come from a frontend, and only then."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import request

from revezamento import create_app
from revezamento.settings import Settings

FRONTEND, OTHER = "192.0.2.20", "192.0.2.99"


@pytest.fixture
def seen(make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    app = create_app(make_settings(trusted_proxies=(FRONTEND,)))

    @app.get("/who")
    def who() -> dict[str, Any]:
        return {"address": request.remote_addr, "host": request.host, "scheme": request.scheme}

    def ask(peer: str, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return app.test_client().get("/who", headers=named, environ_overrides={"REMOTE_ADDR": peer}).json

    return ask


def test_a_frontend_forwards_the_clients_address_host_and_scheme(seen: Callable[..., Any]) -> None:
    """Otherwise all users would share the address of a frontend, and one limit."""
    result = seen(
        FRONTEND, X_Forwarded_For="198.51.100.7", X_Forwarded_Host="www.example.com", X_Forwarded_Proto="https"
    )
    assert result == {"address": "198.51.100.7", "host": "www.example.com", "scheme": "https"}


def test_only_the_address_added_by_the_frontend_counts(seen: Callable[..., Any]) -> None:
    """A client may send the header too; the last address is the frontend's."""
    assert seen(FRONTEND, X_Forwarded_For="203.0.113.1, 198.51.100.7")["address"] == "198.51.100.7"


def test_other_machines_cannot_forge_an_address(seen: Callable[..., Any]) -> None:
    """A client that bypasses the frontends must not evade the login limit."""
    result = seen(OTHER, X_Forwarded_For="198.51.100.7", X_Forwarded_Host="evil.example", X_Forwarded_Proto="https")
    assert result == {"address": OTHER, "host": "localhost", "scheme": "http"}
