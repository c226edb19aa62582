"""Redis's protocol spoken by a few lines of Python on a machine of the lab: there is no redis-cli but on Redis itself.

Passwords travel on stdin, so that no process list shows them.
"""

from __future__ import annotations

from typing import Any

from lab.machines import Box

SPEAK = r"""
import json, socket, sys

def read(answers):
    kind, text = (line := answers.readline().rstrip(b"\r\n").decode())[:1], line[1:]
    if kind == "-": return {"error": text}
    if kind == ":": return int(text)
    if kind == "$": return None if text == "-1" else answers.read(int(text) + 2)[:-2].decode(errors="replace")
    if kind == "*": return None if text == "-1" else [read(answers) for _ in range(int(text))]
    return text

told = json.load(sys.stdin)
with socket.create_connection((told["address"], told["port"]), 3) as link:
    answers, replies = link.makefile("rb"), []
    for words in told["commands"]:
        parts = [word.encode() for word in words]
        link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        replies.append(read(answers))
json.dump(replies, sys.stdout)
"""


def speak(speaker: Box, redis: Box, *commands: list[str]) -> list[Any]:
    """Give commands to Redis from a machine; one reply each, an error as `{"error": "NOAUTH …"}`."""
    told = {"address": redis.address, "port": redis.role("redis")["redis_port"], "commands": commands}
    return list(speaker.python(SPEAK, told))


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
    """The kind of error that a reply is, like NOAUTH; '' for none."""
    return str(reply["error"]).split()[0] if isinstance(reply, dict) else ""
