"""Send commands to Redis from a backend, which the firewall allows and whose release includes redis-py.

Passwords are passed on stdin, so they do not appear in process lists.
"""

from __future__ import annotations

from typing import Any

from lab.machines import Box

PROGRAM = """
import json, sys
import redis

settings = json.load(sys.stdin)
connection = redis.Connection(
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


def run_commands(backend: Box, redis: Box, *commands: list[str]) -> list[Any]:
    """Send commands on one connection. Return a reply for each; an error is `{"error": "NOAUTH …"}`."""
    settings = {"address": redis.address, "port": redis.role("redis")["redis_port"], "commands": commands}
    return list(backend.python(PROGRAM, settings, python=f"{backend.role('app')['__app_root']}/current/bin/python"))


def as_app(redis: Box) -> list[str]:
    """The AUTH command for the app's account."""
    return _as(redis, "revezamento")


def as_admin(redis: Box) -> list[str]:
    """The AUTH command for the administrator's account."""
    return _as(redis, "admin")


def _as(redis: Box, name: str) -> list[str]:
    (account,) = (account for account in redis.role("redis")["redis_accounts"] if account["name"] == name)
    return ["AUTH", name, account["password"]]


def refusal(reply: Any) -> str:
    """The error code of a reply, such as NOAUTH, or '' if it is not an error."""
    return str(reply["error"]).split()[0] if isinstance(reply, dict) else ""
