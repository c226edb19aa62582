"""The disk boots, by BIOS and by UEFI, to an SSH answer. The machine is VirtualBox's, as far as QEMU has it: the disk
on a SATA controller, and two VirtIO network cards. It reaches nothing but this test.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.waiting import SLOW
from tests.box.conftest import Boxes

BOOT_SECONDS = 600 * SLOW  # on a computer without hardware virtualization
FIRMWARE = Path("/usr/share/OVMF")


@pytest.fixture(scope="module")
def disk(boxes: Boxes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VirtualBox's disk, converted back."""
    disk = tmp_path_factory.mktemp("disk") / "disk.qcow2"
    vmdk = boxes.content("virtualbox", "box-disk1.vmdk")
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "qcow2", vmdk, disk], check=True)
    return disk


@contextmanager
def machine(disk: Path, folder: Path, *firmware: str) -> Iterator[int]:
    """A machine that boots; yields its SSH server's port on this computer. It has as many processors as boxes have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "512", "-display", "none", *firmware]
    command += ["-serial", f"file:{folder / 'console'}"]
    command += ["-drive", f"if=none,id=disk,file={disk},snapshot=on", "-device", "ahci,id=sata"]
    command += ["-device", "ide-hd,drive=disk,bus=sata.0"]
    command += [
        "-netdev",
        f"user,id=one,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
        "-netdev",
        "user,id=two,restrict=on",
    ]
    command += ["-device", "virtio-net-pci,netdev=one", "-device", "virtio-net-pci,netdev=two"]
    with subprocess.Popen(command) as process:
        try:
            yield port
        finally:
            process.kill()


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_it_boots_and_answers(boxes: Boxes, disk: Path, tmp_path: Path, home: Path, firmware: str) -> None:
    """Vagrant's own key logs in as `vagrant`, who may use sudo. Nothing failed while it booted."""
    options = []
    if firmware == "uefi":
        variables = tmp_path / "variables"
        variables.write_bytes((FIRMWARE / "OVMF_VARS_4M.fd").read_bytes())
        drive = "if=pflash,format=raw"
        code = FIRMWARE / "OVMF_CODE_4M.fd"
        options = ["-drive", f"{drive},readonly=on,file={code}", "-drive", f"{drive},file={variables}"]
    key = tmp_path / "key"
    key.write_bytes((home / "insecure_private_key").read_bytes())
    key.chmod(0o600)
    script = """
        set -eu
        systemctl is-system-running --wait
        test -d /sys/firmware/efi && echo uefi || echo bios
        sudo id --user
        ls /sys/class/net
        findmnt --noheadings --output FSTYPE,SIZE /
    """
    with machine(disk, tmp_path, *options) as port:
        ssh = ["ssh", "-F", "none", "-i", str(key), "-p", str(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
        ssh += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "vagrant@127.0.0.1"]
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            answer = subprocess.run([*ssh, script], capture_output=True, text=True, check=False)
            if answer.returncode != 255:
                break
            if time.monotonic() > deadline:
                console = (tmp_path / "console").read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"no answer: {answer.stderr}\n{console[-3000:]}")
            time.sleep(2)
    assert answer.stdout.split()[:5] == ["running", firmware, "0", "eth0", "eth1"], answer.stdout + answer.stderr
    assert answer.stdout.split()[5:8] == ["lo", "ext4", "5.8G"]
