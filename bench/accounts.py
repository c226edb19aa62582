"""A user of the bench's own, and the removal of all that the bench has put into MySQL and Redis."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.machines import Box, Lab

EMAIL = "bench@bench.invalid"
"""The address of all users of the bench, by which they are found and removed."""

PEER_KEYS = "sess:peer:*"

SQL = """
import json, subprocess, sys
command = ["mariadb", "--batch", "--skip-column-names", "revezamento"]
done = subprocess.run(command, input=json.load(sys.stdin), capture_output=True, text=True)
print(json.dumps(done.stdout.splitlines())) if done.returncode == 0 else sys.exit(done.stderr)
"""

# The app itself, with the settings of the service, in the Python of the current release.
APP = """
import json, os, sys
for line in open("/etc/revezamento/revezamento.env"):
    name, _, value = line.strip().partition("=")
    if value and name[0] != "#":
        os.environ[name] = value.strip('"')
os.environ["CREDENTIALS_DIRECTORY"] = "/etc/revezamento/credentials"
import redis
from revezamento import create_app
from revezamento.services import EXTENSION
services = create_app().extensions[EXTENSION]
argument = json.load(sys.stdin)

def primary(user, password):
    for host, port in services.settings.redis:
        client = redis.Redis(host, port, username=user, password=password, db=services.settings.redis_db)
        if client.role()[0] == b"master":
            return client
    sys.exit("no Redis is a primary")
"""

END_SESSIONS = """
from revezamento.session_keys import index_of
client = primary("admin", argument["password"])
with client.pipeline(transaction=False) as pipeline:
    for number in argument["ids"]:
        pipeline.exists(index_of(number))
    have = [number for number, is_there in zip(argument["ids"], pipeline.execute()) if is_there]
ended, peer = sum(map(services.session_list.end_all, have)), 0
for key in client.scan_iter(argument["peer_keys"], count=1000):
    peer += client.unlink(key)
print(json.dumps([ended, peer]))
"""


def sql(lab: Lab, statements: str) -> list[str]:
    """Run statements on MySQL as its administrator, on the machine itself; return the lines of the result."""
    lines: list[str] = lab.tier("mysql")[0].python(SQL, statements, root=True)
    return lines


def app(backend: Box, program: str, argument: Any) -> Any:
    """Run a program on a backend, which finds the app's `services` and its `argument`, and prints JSON."""
    return backend.python(APP + program, argument, root=True, python="/opt/revezamento/current/bin/python")


def add_users(lab: Lab, count: int = 1) -> list[str]:
    """Add users with the password of the first demo user; return their names."""
    name, demo = f"bench-{secrets.token_hex(4)}-", lab.tier("backends")[0].role("app")["app_demo_users"][0]["usuario"]
    sql(
        lab,
        "INSERT INTO users (usuario, nome, email, senha_hash) "
        f"SELECT CONCAT('{name}', seq), 'Bench', '{EMAIL}', senha_hash FROM users, seq_1_to_{count} "
        f"WHERE usuario = '{demo}';",
    )
    return [f"{name}{number}" for number in range(1, count + 1)]


def remove_users(lab: Lab) -> None:
    """End the sessions of all users of the bench and of the peers, and remove these users."""
    ids = [int(line) for line in sql(lab, f"SELECT id FROM users WHERE email = '{EMAIL}';")]
    argument = {"ids": ids, "password": lab.secrets["secret_redis_admin"], "peer_keys": PEER_KEYS}
    app(lab.tier("backends")[0], END_SESSIONS, argument)
    if ids:
        sql(lab, f"DELETE FROM users WHERE email = '{EMAIL}'; ALTER TABLE users AUTO_INCREMENT = 1;")


@contextmanager
def user(lab: Lab) -> Iterator[dict[str, str]]:
    """The credentials of a user of the bench."""
    remove_users(lab)  # of a run that was killed
    try:
        (name,) = add_users(lab)
        demo = lab.tier("backends")[0].role("app")["app_demo_users"][0]
        yield {"usuario": name, "senha": demo["senha"]}
    finally:
        remove_users(lab)
