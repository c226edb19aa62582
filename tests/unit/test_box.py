"""providers/vagrant/box/build.py: when a box is built, and what Vagrant finds. tests/box/ builds real ones."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import ModuleType

import pytest

from lab.inventory import ROOT

BUILD = ROOT / "providers" / "vagrant" / "box" / "build.py"
UPDATES = """\
I: simulate downloading packages with apt...
Inst libc6 (2.41-12 Debian:13.8/stable [amd64])
Inst openssh-server [1:10.0p1-7] (1:10.0p1-8 Debian:13.8/stable, Debian-Security:13/stable-security [amd64]) []
Inst zstd (1.5.7+dfsg-1 Debian-Security:13/stable-security [amd64])
Inst grub-common (2.12-9 Debian-Security:13/stable-security [amd64])
Conf libc6 (2.41-12 Debian:13.8/stable [amd64])
"""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    specification = importlib.util.spec_from_file_location("build", BUILD)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["build"] = module
    specification.loader.exec_module(module)
    return module


class Boxes:
    """The boxes of one release in a folder of their own, with what Debian would answer."""

    def __init__(self, build: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.build = build
        self.builder = build.Builder("trixie")
        self.builder.folder = folder
        self.answer, self.code = UPDATES, 0
        monkeypatch.setattr(self.builder, "bootstrap", lambda _output: ["sh", "-c", self._program()])

    def _program(self) -> str:
        return f"cat <<'END'\n{self.answer}END\nexit {self.code} #"

    def publish(self, *providers: str, version: str = "13.20261128.1", age: int = 0, **packages: str) -> None:
        """As after a build; age: seconds since Debian was asked."""
        installed = {"libc6": "2.41-12", "openssh-server": "1:10.0p1-8", "zstd": "1.5.7+dfsg-1"} | packages
        info = self.build.Info("a box", version, self.builder.recipe, 0, "", installed)
        boxes = {}
        for provider in providers:
            boxes[provider] = self.builder.folder / "new" / self.builder.file(version, provider).name
            boxes[provider].parent.mkdir(exist_ok=True)
            boxes[provider].write_bytes(provider.encode())
        self.builder.publish(info, boxes)
        os.utime(self.builder.folder / "info.json", times=(asked := time.time() - age, asked))

    def catalogue(self) -> dict[str, object]:
        text = (self.builder.folder / "metadata.json").read_text(encoding="utf-8")
        catalogue: dict[str, object] = json.loads(text)
        return catalogue


@pytest.fixture
def boxes(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boxes:
    return Boxes(build, tmp_path, monkeypatch)


def test_a_box_is_built_when_there_is_none(boxes: Boxes) -> None:
    assert boxes.builder.outdated(["libvirt"]) == "there is none yet"
    boxes.publish("libvirt")
    assert boxes.builder.outdated(["libvirt"]) is None
    assert boxes.builder.outdated(["libvirt", "virtualbox"]) == "there is none for virtualbox yet"
    boxes.builder.file("13.20261128.1", "libvirt").unlink()
    assert boxes.builder.outdated(["libvirt"]) == "there is none for libvirt yet"


def test_a_box_is_built_when_its_recipe_changes(boxes: Boxes) -> None:
    boxes.publish("libvirt")
    boxes.builder.packages += " vim"
    assert boxes.builder.outdated(["libvirt"]) == "the recipe has changed since 13.20261128.1"


def test_a_box_is_built_for_a_security_update(boxes: Boxes, capsys: pytest.CaptureFixture[str]) -> None:
    """Debian is asked once a day. Other updates do not matter, nor packages that are not in the box."""
    boxes.publish("libvirt", libc6="2.41-11")
    boxes.code = 1  # Debian must not be asked now
    assert boxes.builder.outdated(["libvirt"]) is None
    boxes.code = 0
    boxes.publish("libvirt", age=2 * 24 * 3600, libc6="2.41-11")
    assert boxes.builder.outdated(["libvirt"]) is None
    assert time.time() - (boxes.builder.folder / "info.json").stat().st_mtime < 60
    boxes.publish("libvirt", age=2 * 24 * 3600, **{"openssh-server": "1:10.0p1-7"})
    assert boxes.builder.outdated(["libvirt"]) == "Debian has security updates: openssh-server"
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [("E: the mirror does not answer\n", 100, "the mirror does not answer"), ("nothing\n", 0, "no list of packages")],
)
def test_without_a_network_the_box_stays(
    boxes: Boxes, capsys: pytest.CaptureFixture[str], answer: str, code: int, reason: str
) -> None:
    boxes.publish("libvirt", age=2 * 24 * 3600)
    boxes.answer, boxes.code = answer, code
    assert boxes.builder.outdated(["libvirt"]) is None
    assert f"warning: Debian could not be asked for updates ({reason})." in capsys.readouterr().err


def test_the_catalogue_names_the_boxes_beside_it(boxes: Boxes) -> None:
    """Vagrant checks the checksum. The former boxes are removed."""
    boxes.publish("libvirt", "virtualbox", version="13.20261127.1")
    boxes.publish("libvirt", "virtualbox")
    names = [f"revezamento-trixie-13.20261128.1-{provider}.box" for provider in ("libvirt", "virtualbox")]
    assert sorted(path.name for path in boxes.builder.folder.glob("*.box")) == names
    assert boxes.catalogue() == {
        "name": "revezamento/trixie",
        "description": "a box",
        "versions": [
            {
                "version": "13.20261128.1",
                "description_markdown": f"Recipe {boxes.builder.recipe}",
                "providers": [
                    {
                        "name": provider,
                        "url": name,
                        "checksum_type": "sha256",
                        "checksum": hashlib.sha256(provider.encode()).hexdigest(),
                        "architecture": "amd64",
                        "default_architecture": True,
                    }
                    for provider, name in zip(("libvirt", "virtualbox"), names, strict=True)
                ],
            }
        ],
    }


def test_a_box_is_a_tar_file(build: ModuleType, tmp_path: Path) -> None:
    """The same contents and time give the same file."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * 1000)
    for name in ("one.box", "two.box"):
        build.pack(tmp_path / name, {"metadata.json": "{}", "box.img": disk}, 1_700_000_000)
        os.utime(disk)
    assert (tmp_path / "one.box").read_bytes() == (tmp_path / "two.box").read_bytes()
    with tarfile.open(tmp_path / "one.box") as archive:
        assert [(member.name, member.size, member.mode) for member in archive] == [
            ("metadata.json", 2, 0o644),
            ("box.img", 1000, 0o644),
        ]


@pytest.mark.parametrize(
    ("settings", "arguments", "words"),
    [
        ({"LAB_RELEASE": "sid"}, [], "LAB_RELEASE=sid is not supported. Remedy: LAB_RELEASE=trixie or bookworm"),
        ({}, ["hyperv"], "no box is made for hyperv. Providers: libvirt, virtualbox"),
    ],
)
def test_bad_input_is_refused(settings: dict[str, str], arguments: list[str], words: str) -> None:
    run = subprocess.run(
        [sys.executable, BUILD, *arguments], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_other_computers_are_refused(boxes: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no dpkg on them, or it is another architecture's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(boxes.build.BoxError, match="on Debian or Ubuntu, on amd64"):
        boxes.builder.build(["libvirt"])
    (tmp_path / "dpkg").write_text("#!/bin/sh\necho arm64\n", encoding="utf-8")
    (tmp_path / "dpkg").chmod(0o755)
    with pytest.raises(boxes.build.BoxError, match="LAB_BOX_URL"):
        boxes.builder.build(["libvirt"])


def test_a_full_disk_is_refused(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes.build, "FREE_GB", 10**9)
    with pytest.raises(boxes.build.BoxError, match="GB of free disk space"):
        boxes.builder.build(["libvirt"])


@pytest.mark.parametrize("epoch", ["today", "-1", "9" * 30])
def test_a_wrong_time_is_refused(boxes: Boxes, monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(boxes.build.BoxError, match="SOURCE_DATE_EPOCH"):
        boxes.builder.build(["libvirt"])
