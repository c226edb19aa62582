"""What MariaDB stores of a password with the plugin mysql_native_password."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any


def native_password(password: str) -> str:
    """The same as MariaDB's PASSWORD()."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"native_password": native_password}
