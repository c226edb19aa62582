"""Settings and clients for every test; the real servers are in `integration/conftest.py`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from revezamento import create_app
from revezamento.settings import Settings

NOWHERE = ("127.0.0.1", 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in Path(item.path).parts:
            item.add_marker("integration")


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """Reset the logging configuration after each test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Settings of a backend that can reach neither Redis nor MySQL, with changes."""

    def make(**changes: Any) -> Settings:
        return Settings(
            **{
                "server_name": "Servidor 7",
                "node": "backend7",
                "release": "1.2.3",
                "redis": (NOWHERE,),
                "sentinels": (),
                "redis_user": "revezamento",
                "redis_db": 0,
                "redis_password": "r",
                "mysql": (NOWHERE,),
                "mysql_user": "revezamento",
                "mysql_database": "revezamento",
                "mysql_password": "m",
                "mysql_admin_user": "revezamento_admin",
                "mysql_admin_password": None,
                "ca_file": None,
                "cookie_name": "sessao",
                "cookie_secure": False,
                "session_idle_seconds": 1800,
                "session_lifetime_seconds": 43_200,
                "login_failures_per_user": 5,
                "login_failures_per_address": 100,
                "login_window_seconds": 300,
                "trusted_proxies": (),
                "worker": "gthread",
                "workers": 1,
                "threads": 4,
                "metrics_dir": None,
                **changes,
            }
        )

    return make


@pytest.fixture
def offline(make_settings: Callable[..., Settings]) -> Any:
    """A client of an app that can reach neither Redis nor MySQL."""
    return create_app(make_settings()).test_client()
