"""What is in the boxes, and that Vagrant takes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.box.conftest import PROVIDERS, Boxes


def test_the_catalogue_has_both_boxes(boxes: Boxes) -> None:
    """Each stands beside it, under its version's name, with its checksum."""
    assert boxes.catalogue["name"] == "revezamento/trixie"
    number = boxes.version["version"]
    assert re.fullmatch(r"13\.20\d{6}\.\d{1,6}", number)
    assert [entry["name"] for entry in boxes.version["providers"]] == list(PROVIDERS)
    for entry in boxes.version["providers"]:
        assert entry["url"] == f"revezamento-trixie-{number}-{entry['name']}.box"
        with (boxes.folder / entry["url"]).open("rb") as file:
            assert (entry["checksum_type"], entry["checksum"]) == (
                "sha256",
                hashlib.file_digest(file, "sha256").hexdigest(),
            )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_vagrant_takes_the_box(boxes: Boxes, home: Path, provider: str) -> None:
    """With its version, and with what is in it."""
    environment = os.environ | {"VAGRANT_HOME": str(home), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    environment["VAGRANT_SERVER_URL"] = "https://registry.invalid"

    def vagrant(*arguments: str) -> str:
        command = ["vagrant", "box", *arguments]
        run = subprocess.run(command, cwd=boxes.folder, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    vagrant("add", "--provider", provider, "metadata.json")
    listed = vagrant("list", "--box-info")
    assert re.search(rf"revezamento/trixie +\({provider}, {re.escape(boxes.version['version'])}", listed)
    assert "Debian 13 (trixie) for Revezamento" in listed
    folder = home / "boxes" / "revezamento-VAGRANTSLASH-trixie" / boxes.version["version"]
    assert [json.loads(path.read_text())["provider"] for path in folder.rglob(f"{provider}/metadata.json")] == [
        provider
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_box_says_what_is_in_it(boxes: Boxes, provider: str) -> None:
    info = json.loads(boxes.content(provider, "info.json").read_text(encoding="utf-8"))
    assert info["version"] == boxes.version["version"]
    assert {"openssh-server", "linux-image-cloud-amd64", "systemd"} <= set(info["packages"])
    assert not [name for name in info["packages"] if name.startswith("grub")]


def test_both_boxes_have_the_same_disk(boxes: Boxes) -> None:
    disks = [boxes.content("libvirt", "box.img"), boxes.content("virtualbox", "box-disk1.vmdk")]
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "vmdk", *disks], check=True)
    information = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", disks[1]]))
    assert information["format-specific"]["data"]["create-type"] == "streamOptimized"
    metadata = json.loads(boxes.content("libvirt", "metadata.json").read_text(encoding="utf-8"))
    assert metadata["virtual_size"] * 2**30 == information["virtual-size"]


def test_virtualbox_makes_a_machine_of_it(boxes: Boxes) -> None:
    """VirtualBox itself imports the box, and UEFI can be chosen. Booting it here would need its kernel module."""
    ovf = boxes.content("virtualbox", "box.ovf")
    root = [] if os.geteuid() == 0 else ["sudo"]
    run = subprocess.run(
        [*root, Path(__file__).with_name("virtualbox.sh"), ovf], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    machine = dict(line.partition("=")[::2] for line in run.stdout.splitlines() if "=" in line)
    machine = {name.strip('"'): value.strip('"') for name, value in machine.items()}
    expected = {
        "ostype": "Debian (64-bit)",
        "memory": "512",
        "cpus": "1",
        "firmware": "EFI",
        "ioapic": "on",
        "rtcuseutc": "on",
        "storagecontrollertype0": "IntelAhci",
        "nic1": "nat",
        "nictype1": "virtio",
        "audio": "none",
    }
    assert expected.items() <= machine.items(), machine
    assert machine["SATA Controller-0-0"].endswith(".vmdk")
