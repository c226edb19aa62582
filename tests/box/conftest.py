"""Tests of Vagrant's boxes. They are built unless they are up to date, which takes two minutes and needs root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import ROOT

PROVIDERS = ("libvirt", "virtualbox")
NEEDED = ("vagrant", "qemu-system-x86_64", "qemu-img")


@dataclass(frozen=True)
class Boxes:
    """The boxes as `make box` leaves them, and unpacked."""

    folder: Path
    unpacked: Path

    @property
    def catalogue(self) -> dict[str, Any]:
        catalogue: dict[str, Any] = json.loads((self.folder / "metadata.json").read_text(encoding="utf-8"))
        return catalogue

    @property
    def version(self) -> dict[str, Any]:
        (version,) = self.catalogue["versions"]
        assert isinstance(version, dict)
        return version

    def content(self, provider: str, name: str) -> Path:
        """A file of a box."""
        folder = self.unpacked / provider
        if not folder.exists():
            (entry,) = [entry for entry in self.version["providers"] if entry["name"] == provider]
            folder.mkdir()
            subprocess.run(["tar", "-xf", self.folder / entry["url"], "-C", folder], check=True)
        return folder / name


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Boxes:
    if missing := [command for command in NEEDED if shutil.which(command) is None]:
        pytest.fail(f"{', '.join(missing)}: not installed. Next: lab/bootstrap boxes", pytrace=False)
    subprocess.run([ROOT / "providers" / "vagrant" / "box" / "build"], check=True)
    return Boxes(ROOT / ".lab" / "box" / "trixie", tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="session")
def home(boxes: Boxes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Vagrant home without boxes, with the key that everybody knows."""
    home = tmp_path_factory.mktemp("vagrant")
    subprocess.run(["vagrant", "box", "list"], env=os.environ | {"VAGRANT_HOME": str(home)}, check=True)
    return home
