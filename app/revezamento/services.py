"""The objects that the views of one app work with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from flask import current_app

from revezamento.database import Database
from revezamento.login_limit import LoginLimit
from revezamento.metrics import Metrics
from revezamento.passwords import Passwords
from revezamento.readiness import Readiness
from revezamento.redis_link import RedisLink
from revezamento.remembered import Remembered
from revezamento.session_list import SessionList
from revezamento.session_store import SessionStore
from revezamento.settings import Settings
from revezamento.users import Users

EXTENSION = "revezamento"


@dataclass(frozen=True, slots=True)
class Services:
    """One of each per process.

    Attributes:
        redis_health: whether Redis answers, how fast, and which of its machines serve.
        mysql_health: the same for MySQL.
        started: when these objects were created, in UTC.
    """

    settings: Settings
    metrics: Metrics
    redis: RedisLink
    database: Database
    sessions: SessionStore
    session_list: SessionList
    users: Users
    passwords: Passwords
    login_limit: LoginLimit
    readiness: Readiness
    redis_health: Remembered[dict[str, Any]]
    mysql_health: Remembered[dict[str, Any]]
    started: datetime


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast("Services", current_app.extensions[EXTENSION])
