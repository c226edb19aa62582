"""Commands to Redis from a backend, since the firewall admits nobody else: its release has redis-py.

Passwords travel on stdin, so that no process list shows them.
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


def speak(backend: Box, redis: Box, *commands: list[str]) -> list[Any]:
    """Send commands to Redis from a backend, on one connection; one reply each, an error as `{"error": "NOAUTH …"}`."""
    settings = {"address": redis.address, "port": redis.role("redis")["redis_port"], "commands": commands}
    return list(backend.python(PROGRAM, settings, python=f"{backend.role('app')['__app_root']}/current/bin/python"))


def as_app(redis: Box) -> list[str]:
    """The command that logs in as the app."""
    return _as(redis, "revezamento")


def as_admin(redis: Box) -> list[str]:
    """The command that logs in as the administrator."""
    return _as(redis, "admin")


def _as(redis: Box, name: str) -> list[str]:
    (account,) = (account for account in redis.role("redis")["redis_accounts"] if account["name"] == name)
    return ["AUTH", name, account["password"]]


def refusal(reply: Any) -> str:
    """The code of an error, such as NOAUTH; '' if the reply is none."""
    return str(reply["error"]).split()[0] if isinstance(reply, dict) else ""
