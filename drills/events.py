"""One line of JSON for everything that a user asked: what the oracle judges, and nothing that it already judged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

Action = Literal["perfil", "page", "status", "login", "logout", "replay"]
"""`replay` asks for the profile with the cookie of a session whose logout was acknowledged."""

Known = Literal["in", "out", "leaving"]
"""What the user was told last: logged in, logged out, or nothing after asking to be logged out."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One request of a user and its answer. `at` is seconds since 1970, `status` 0 where nothing came."""

    at: float
    seconds: float
    user: str
    action: Action
    known: Known
    status: int
    identity: str = ""
    frontend: str = ""
    backend: str = ""
    request_id: str = ""
    retry_after: bool = False
    cookie_changed: bool = False
    healthy: bool | None = None  # of a `status`: whether that backend reaches Redis and MySQL
    looked_up: str = ""
    tries: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def end(self) -> float:
        """When the user had the answer."""
        return self.at + self.seconds

    def line(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    def short(self) -> str:
        """For a person: what was asked of whom, and what came."""
        way = f"{self.frontend or '-'} > {self.backend or '-'}"
        told = self.error or f"{self.status} {self.identity}".strip()
        return (
            f"{self.user} {self.action} (was {self.known}): {told} by {way} in {self.seconds:.2f} s {self.request_id}"
        )


def read(path: Path) -> list[Event]:
    """The events of a file that `write` made."""
    names = {one.name for one in fields(Event)}
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Event(**{key: value for key, value in json.loads(line).items() if key in names}) for line in lines]


def write(path: Path, events: Iterable[Event]) -> None:
    path.write_text("".join(f"{event.line()}\n" for event in events), encoding="utf-8")
