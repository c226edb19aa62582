"""Events: one JSON object for each request of a user, with what the oracle needs to judge it and no verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

Action = Literal["perfil", "page", "status", "login", "logout", "replay"]
"""`replay` asks for the profile with the cookie of a session after its acknowledged logout."""

LoginState = Literal["logged_in", "logged_out", "unknown"]
"""What the site last acknowledged to the user; `unknown` after a logout without an answer."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One request of a user and its answer. `at` is seconds since 1970, `status` 0 if nothing came.

    `login_state` is that before the request, `identity` the user that the answer names, and `healthy`, of a `status`
    only, whether the backend reaches Redis and MySQL.
    """

    at: float
    seconds: float
    user: str
    action: Action
    login_state: LoginState
    status: int
    identity: str = ""
    frontend: str = ""
    backend: str = ""
    request_id: str = ""
    retry_after: bool = False
    cookie_changed: bool = False
    healthy: bool | None = None
    looked_up: str = ""
    tries: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def end(self) -> float:
        """When the user had the answer."""
        return self.at + self.seconds

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    def __str__(self) -> str:
        """One line for people: what was asked, what came, and from where."""
        path = f"{self.frontend or '-'} > {self.backend or '-'}"
        result = self.error or f"{self.status} {self.identity}".strip()
        state = self.login_state.replace("_", " ")
        return f"{self.user} {self.action} ({state}): {result} by {path} in {self.seconds:.2f} s {self.request_id}"


def read(path: Path) -> list[Event]:
    """Read the events of a file that `write` made."""
    names = {one.name for one in fields(Event)}
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Event(**{key: value for key, value in json.loads(line).items() if key in names}) for line in lines]


def write(path: Path, events: Iterable[Event]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(f"{event.to_json()}\n" for event in events), encoding="utf-8")
