"""The disk boots, by BIOS and by UEFI, to an SSH answer. The machine is VirtualBox's, as far as QEMU has it: the disk
on a SATA controller, and two VirtIO network cards. It reaches nothing but this test.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


SCRIPT = """
set -eu
systemctl is-system-running --wait
test -d /sys/firmware/efi && echo uefi || echo bios
sudo id --user
ls /sys/class/net
findmnt --noheadings --output FSTYPE,SIZE /
"""


def boot(firmware: str, disk: Path, folder: Path, vagrant_key: Path) -> str:
    """What the machine prints when Vagrant's own key has logged in as `vagrant`, who may use sudo."""
    options = []
    if firmware == "uefi":
        variables = folder / "variables"
        variables.write_bytes((FIRMWARE / "OVMF_VARS_4M.fd").read_bytes())
        drive = "if=pflash,format=raw"
        code = FIRMWARE / "OVMF_CODE_4M.fd"
        options = ["-drive", f"{drive},readonly=on,file={code}", "-drive", f"{drive},file={variables}"]
    key = folder / "key"
    key.write_bytes(vagrant_key.read_bytes())
    key.chmod(0o600)
    with machine(disk, folder, *options) as port:
        ssh = ["ssh", "-F", "none", "-i", str(key), "-p", str(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
        ssh += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder / 'known'}", "vagrant@127.0.0.1"]
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            answer = subprocess.run([*ssh, SCRIPT], capture_output=True, text=True, check=False)
            if answer.returncode != 255:
                return answer.stdout + answer.stderr
            if time.monotonic() > deadline:
                console = (folder / "console").read_text(encoding="utf-8", errors="replace")
                return f"no answer: {answer.stderr}\n{console[-3000:]}"
            time.sleep(2)


@pytest.fixture(scope="module")
def printed(disk: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By firmware; both machines boot at the same time."""
    key = home / "insecure_private_key"
    with ThreadPoolExecutor() as pool:
        booting = {
            firmware: pool.submit(boot, firmware, disk, tmp_path_factory.mktemp(firmware), key)
            for firmware in ("bios", "uefi")
        }
    return {firmware: machine.result() for firmware, machine in booting.items()}


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_it_boots_and_answers(printed: dict[str, str], firmware: str) -> None:
    """Nothing failed while it booted."""
    words = printed[firmware].split()
    assert words[:8] == ["running", firmware, "0", "eth0", "eth1", "lo", "ext4", "5.8G"], printed[firmware]
