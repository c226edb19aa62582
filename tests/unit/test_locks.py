"""The files that lock packages work with any registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.inventory import ROOT

LOCKS = [path for name in ("requirements.txt", "package-lock.json") for path in ROOT.glob(f"[!.]*/**/{name}")]


@pytest.mark.parametrize("lock", [ROOT / "requirements.txt", *LOCKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_has_no_address(lock: Path) -> None:
    """Whoever installs from it uses the registry that the computer is configured with."""
    assert "://" not in lock.read_text(encoding="utf-8")


def test_all_locks_are_found() -> None:
    """For the app, the audit, and the bench's peer."""
    assert {path.parent.relative_to(ROOT).as_posix() for path in LOCKS} == {"app", "audit", "bench/peer"}
