"""The serial of a zone: it grows when, and only when, something else in the zone changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

SERIAL = re.compile(r"\d+(?= ; serial)")


def zone_serial(rendered: str, old: str) -> str:
    """The serial for a zone that is `rendered` with any serial, where `old` is the file that is there, or ''."""
    found = SERIAL.search(old)
    last = int(found[0]) if found else 0
    is_same = SERIAL.sub("", rendered).strip() == SERIAL.sub("", old).strip()
    return str(last if is_same else max(last + 1, int(time.time())))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"zone_serial": zone_serial}
