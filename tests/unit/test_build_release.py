"""A release of the app, as it is built for a guest."""

from __future__ import annotations

import runpy

from lab.inventory import ROLES

LOCK = """\
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:00
flask==3.1.3 \\
    --hash=sha256:01
"""


def test_what_only_the_guests_python_needs_is_packed_too() -> None:
    """Debian 12 has Python 3.11.2: what that needs beyond 3.11.7 was missing there, and nothing could be installed."""
    program = runpy.run_path(str(ROLES / "app" / "files" / "build_release.py"))
    assert program["unconditional"](LOCK).splitlines() == [
        "async-timeout==5.0.1 \\",
        "    --hash=sha256:00",
        "flask==3.1.3 \\",
        "    --hash=sha256:01",
    ]
