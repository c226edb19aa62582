"""Building a release of the app for a guest."""

from __future__ import annotations

import runpy

from lab.inventory import ROLES

LOCK = """\
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:00
flask==3.1.3 \\
    --hash=sha256:01
"""


def test_packages_that_only_the_guests_python_needs_are_packed() -> None:
    """Debian 12 has Python 3.11.2, which needs packages that the control machine's Python does not."""
    program = runpy.run_path(str(ROLES / "app" / "files" / "build_release.py"))
    assert program["unconditional"](LOCK).splitlines() == [
        "async-timeout==5.0.1 \\",
        "    --hash=sha256:00",
        "flask==3.1.3 \\",
        "    --hash=sha256:01",
    ]
