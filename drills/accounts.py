"""Accounts for the virtual users, created and disabled by the app's own command line on a backend."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.machines import Box

# The command line reads the passwords from stdin, where no process list shows them.
PROGRAM = """
import json, subprocess, sys
arguments, stdin = json.load(sys.stdin)
done = subprocess.run(["/usr/local/sbin/revezamento", "users", *arguments], input=stdin, capture_output=True, text=True)
print(json.dumps([done.returncode, (done.stderr + done.stdout)[-1000:]]))
"""


@contextmanager
def accounts(backend: Box, count: int) -> Iterator[dict[str, str]]:
    """Create users drill-01, drill-02, … with new passwords, and disable them afterwards."""
    passwords = {f"drill-{number:02d}": secrets.token_urlsafe(24) for number in range(1, count + 1)}
    entries = [
        {"usuario": name, "nome": f"Drill {name[-2:]}", "email": f"{name}@example.com", "senha": password}
        for name, password in passwords.items()
    ]
    _users(backend, ["import", "--update"], json.dumps(entries))
    try:
        yield passwords
    finally:
        _users(backend, ["disable", *passwords], "")


def _users(backend: Box, arguments: list[str], stdin: str) -> None:
    result: Any = backend.python(PROGRAM, [arguments, stdin], root=True)
    code, output = result
    assert code == 0, f"revezamento users {arguments[0]} on {backend.name}: {output}"
