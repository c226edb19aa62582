"""A copy of the lab's inventory that tests can change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from inventory_problems import inventory_problems

from lab.inventory import ROOT, Inventory


@dataclass(frozen=True)
class Copy:
    path: Path

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a file, which must contain `old`."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in inventory/lab/{file} any more: adapt this test"
        (self.path / file).write_text(text.replace(old, new), encoding="utf-8")

    def problems(self, subnet: str | None = None) -> list[str]:
        inventory = Inventory.load(self.path, subnet=subnet)
        return inventory_problems(inventory.groups, inventory.hostvars)


@pytest.fixture
def lab(tmp_path: Path) -> Copy:
    shutil.copytree(ROOT / "inventory" / "lab", tmp_path / "inventory" / "lab")
    return Copy(tmp_path / "inventory" / "lab")
