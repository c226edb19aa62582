"""Send commands to Redis from a backend, which the firewall allows and whose release includes redis-py.

Passwords are passed on stdin, so they do not appear in process lists.
"""

from __future__ import annotations

from typing import Any

from lab.machines import Box, Lab

PROGRAM = """
import json, sys
from functools import partial
import redis

settings = json.load(sys.stdin)
kind = partial(redis.SSLConnection, ssl_ca_certs=settings["ca"]) if settings["ca"] else redis.Connection
connection = kind(
    host=settings["address"], port=settings["port"], protocol=2, driver_info=None, decode_responses=True,
    encoding_errors="replace", socket_connect_timeout=3, socket_timeout=3,
)
replies = []
for command in settings["commands"]:
    connection.send_command(*command)
    try:
        replies.append(connection.read_response(disconnect_on_error=False))
    except (redis.ResponseError, redis.AuthenticationError) as error:
        replies.append({"error": f"{error.status_code or ''} {error}".strip()})
json.dump(replies, sys.stdout)
"""


def run_commands(backend: Box, redis: Box, *commands: list[str], port: int | None = None) -> list[Any]:
    """Send commands on one connection, to Redis or to another port.

    Return a reply for each; an error is `{"error": "NOAUTH …"}`.
    """
    app = backend.role("app")
    settings = {"address": redis.address, "port": port or redis.role("redis")["redis_port"], "commands": commands}
    settings["ca"] = app["app_ca_file"]
    return list(backend.python(PROGRAM, settings, python=f"{app['__app_root']}/current/bin/python"))


def primary(lab: Lab) -> Box:
    """The Redis that takes writes: the only one, or the one that says so."""
    backend = lab.tier("backends")[0]
    roles = [(box, run_commands(backend, box, as_admin(box), ["ROLE"])[1]) for box in lab.tier("redis")]
    found = [box for box, role in roles if role[0] == "master"]
    assert len(found) == 1, roles
    return found[0]


def forget_failed_logins(lab: Lab) -> None:
    """Let everybody log in again, whatever tests have tried."""
    redis, backend = primary(lab), lab.tier("backends")[0]
    _, keys = run_commands(backend, redis, as_admin(redis), ["KEYS", "login:*"])
    if keys:
        run_commands(backend, redis, as_admin(redis), ["DEL", *keys])


def as_app(redis: Box) -> list[str]:
    """The AUTH command for the app's account."""
    return as_account(redis, "revezamento")


def as_admin(redis: Box) -> list[str]:
    """The AUTH command for the administrator's account."""
    return as_account(redis, "admin")


def as_account(redis: Box, name: str) -> list[str]:
    """The AUTH command for one of the accounts."""
    (account,) = (account for account in redis.role("redis")["redis_accounts"] if account["name"] == name)
    return ["AUTH", name, account["passwords"][0]]


def refusal(reply: Any) -> str:
    """The error code of a reply, such as NOAUTH, or '' if it is not an error."""
    return str(reply["error"]).split()[0] if isinstance(reply, dict) else ""
