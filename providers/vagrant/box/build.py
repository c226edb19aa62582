"""Makes Vagrant's boxes from Debian's packages, unless they are up to date.

    build.py [PROVIDER…]    libvirt, virtualbox, or both (the default)

Writes a .box file for each provider and metadata.json, the catalogue for Vagrant, into .lab/box/RELEASE. They are up to
date as long as the recipe is the same and Debian has no security update for a package in them.

LAB_RELEASE: trixie (the default) or bookworm. LAB_MIRROR: the Debian mirror; by default the host's own.
SOURCE_DATE_EPOCH: the time of the build, in seconds since 1970, from which the version follows; by default now.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import string
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PODMAN = ROOT / "providers" / "podman"

DEBIAN = {"trixie": ("13", "dhcpcd-base"), "bookworm": ("12", "isc-dhcp-client")}
"""Release => its number, and its DHCP client."""

KERNEL_AND_BOOT = "linux-image-cloud-amd64 initramfs-tools zstd grub-pc-bin grub-efi-amd64-bin e2fsprogs ifupdown"
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "mformat": "mtools",
}
"""Command => the package that has it."""

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FREE_GB = 4
CHECK_AGAIN = 24 * 3600  # seconds until Debian is asked again for security updates
INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) (.*?) \[", re.MULTILINE)
"""A line of `apt-get --simulate`: package, version, origins."""


class BoxError(RuntimeError):
    """No box can be made; the message says why, and what to do."""


@dataclass(frozen=True)
class Info:
    """What is in a box. Each box has it as info.json, which `vagrant box list --box-info` shows."""

    description: str
    version: str
    recipe: str
    """A hash of the files that make the box."""

    source_date_epoch: int
    system_sha256: str
    """Of the tar file that the disk is made of: the same recipe, time and packages give the same."""

    packages: dict[str, str]
    """Name => version."""

    def json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def as_root(*command: str | Path) -> list[str]:
    """The command for root. sudo drops the environment."""
    kept = [f"{name}={value}" for name in ("SOURCE_DATE_EPOCH",) if (value := os.environ.get(name))]
    return [*([] if os.geteuid() == 0 else ["sudo"]), "env", *kept, *map(str, command)]


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Builder:
    """The boxes of one Debian release."""

    def __init__(self, release: str) -> None:
        if release not in DEBIAN:
            raise BoxError(f"LAB_RELEASE={release} is not supported. Remedy: LAB_RELEASE={' or '.join(DEBIAN)}")
        self.release = release
        self.number, dhcp = DEBIAN[release]
        self.name = f"revezamento/{release}"
        self.folder = ROOT / ".lab" / "box" / release
        base = yaml.safe_load((PODMAN / "settings.yml").read_text(encoding="utf-8"))["provider_base_packages"]
        self.packages = " ".join([*base, KERNEL_AND_BOOT, dhcp])
        self.doing = ""

    @property
    def log(self) -> Path:
        return self.folder / "build.log"

    @property
    def recipe(self) -> str:
        files = [PODMAN / "build_base.sh", *sorted(path for path in HERE.iterdir() if path.is_file())]
        content = b"".join(path.read_bytes() for path in files)
        return hashlib.sha256(content + self.packages.encode()).hexdigest()[:12]

    # The boxes that are there

    def built(self) -> Info | None:
        """What is in the boxes that were built last."""
        try:
            return Info(**json.loads((self.folder / "info.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def outdated(self, providers: Sequence[str]) -> str | None:
        """Why the boxes have to be built; None if they are up to date."""
        info = self.built()
        if info is None:
            return "there is none yet"
        if missing := [provider for provider in providers if not self.file(info.version, provider).exists()]:
            return f"there is none for {' and '.join(missing)} yet"
        if info.recipe != self.recipe:
            return f"the recipe has changed since {info.version}"
        asked = self.folder / "info.json"
        if time.time() - asked.stat().st_mtime < CHECK_AGAIN:
            return None
        say("Asking Debian for security updates of the box's packages")
        try:
            updates = self.security_updates(info)
        except BoxError as problem:
            print(f"warning: {problem}\nThe box of {info.version} is used as it is.", file=sys.stderr)
            return None
        os.utime(asked)
        return f"Debian has security updates: {', '.join(updates)}" if updates else None

    def security_updates(self, info: Info) -> list[str]:
        """The packages of the box of which Debian's security team has published another version."""
        run = subprocess.run(
            [*self.bootstrap(Path(os.devnull)), "--simulate"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = INSTALLED.findall(run.stdout)
        if run.returncode or not found:
            reason = next((line for line in run.stdout.splitlines() if line.startswith("E:")), "no list of packages")
            raise BoxError(f"Debian could not be asked for updates ({reason.removeprefix('E:').strip()}).")
        return [
            name
            for name, version, origins in found
            if "security" in origins.lower() and info.packages.get(name, version) != version
        ]

    # Building

    def build(self, providers: Sequence[str]) -> Info:
        self.refuse_unable_host()
        os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))
        try:
            epoch = int(os.environ["SOURCE_DATE_EPOCH"])
            if epoch < 0:
                raise ValueError
            day, clock = time.strftime("%Y%m%d %H%M%S", time.gmtime(epoch)).split()
        except (ValueError, OverflowError, OSError):
            raise BoxError("SOURCE_DATE_EPOCH is not a number of seconds since 1970") from None
        version = f"{self.number}.{day}.{int(clock)}"
        self.log.write_text("", encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="build-") as name:
            work = Path(name)
            tar, raw = work / "base.tar", work / "disk.raw"
            with self.step(f"Installing Debian {self.release} from its packages"):
                self.run(*self.bootstrap(tar))
            with self.step("Making the disk"):
                self.run(*as_root(HERE / "disk.sh", tar, raw))
            lines = (work / "disk.raw.packages").read_text(encoding="utf-8").splitlines()
            info = Info(
                description=f"Debian {self.number} ({self.release}) for Revezamento, from Debian's own packages",
                version=version,
                recipe=self.recipe,
                source_date_epoch=epoch,
                system_sha256=sha256(tar),
                packages=dict(line.split("\t") for line in lines),
            )
            boxes = []
            for provider in providers:
                with self.step(f"Packing the box for {provider}"):
                    contents = libvirt(self, raw) if provider == "libvirt" else virtualbox(self, raw)
                    contents["info.json"] = info.json()
                    box = work / self.file(version, provider).name
                    pack(box, contents, epoch)
                    boxes.append(box)
            self.publish(info, dict(zip(providers, boxes, strict=True)))
        return info

    def bootstrap(self, output: Path) -> list[str]:
        """The command that installs Debian into a tar file."""
        listed = output_of("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
        mirrors: dict[str, str] = {}
        for line in listed.splitlines():
            mirrors.setdefault(*line.split(" ", 1))
        mirror = os.environ.get("LAB_MIRROR") or mirrors.get("Debian", "")
        security = mirrors.get("Debian-Security") or (mirror and f"{mirror.rstrip('/')}-security")
        hook = f'--customize-hook="{HERE}/customize.sh" "$1"'
        return as_root(PODMAN / "build_base.sh", self.release, mirror, security, self.packages, output, hook)

    def publish(self, info: Info, boxes: dict[str, Path]) -> None:
        """Put the new boxes into the folder, in the place of the old ones. The catalogue names files beside it."""
        entries = [
            {
                "name": provider,
                "url": box.name,
                "checksum_type": "sha256",
                "checksum": sha256(box),
                "architecture": "amd64",
                "default_architecture": True,
            }
            for provider, box in boxes.items()
        ]
        version = {"version": info.version, "description_markdown": f"Recipe {info.recipe}", "providers": entries}
        catalogue = {"name": self.name, "description": info.description, "versions": [version]}
        old = list(self.folder.glob("*.box"))
        for box in boxes.values():
            box.replace(self.folder / box.name)
        for name, text in (("metadata.json", json.dumps(catalogue, indent=2) + "\n"), ("info.json", info.json())):
            (self.folder / f"{name}.new").write_text(text, encoding="utf-8")
            (self.folder / f"{name}.new").replace(self.folder / name)
        for path in old:
            if path.name not in {box.name for box in boxes.values()}:
                path.unlink()

    def file(self, version: str, provider: str) -> Path:
        return self.folder / f"revezamento-{self.release}-{version}-{provider}.box"

    def refuse_unable_host(self) -> None:
        """Check the host and install what is missing there."""
        if shutil.which("dpkg") is None or output_of("dpkg", "--print-architecture").strip() != "amd64":
            raise BoxError(
                "Boxes are built on Debian or Ubuntu, on amd64.\n"
                "Remedy: run `make box` on such a computer, then here LAB_BOX_URL=its folder vagrant up"
            )
        if shutil.disk_usage(self.folder).free < FREE_GB * 1e9:
            raise BoxError(f"Building a box needs {FREE_GB} GB of free disk space in {self.folder}")
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        missing = {package for command, package in TOOLS.items() if shutil.which(command) is None}
        if not Path(KEYRING).exists():
            missing.add("debian-archive-keyring")
        if missing:
            with self.step(f"Installing {', '.join(sorted(missing))}"):
                self.run(*as_root("apt-get", "-qq", "update"))
                self.run(*as_root("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *sorted(missing)))

    def run(self, *command: str | Path) -> None:
        """Run a command with its output in the log."""
        with self.log.open("ab") as log:
            code = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, check=False).returncode
        if code:
            tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise BoxError(f"{self.doing} failed. The last lines of {self.log}:\n{tail}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.doing = title
        print(f"    {title} ... ", end="", flush=True)
        started = time.monotonic()
        try:
            yield
        except BaseException:
            print("failed")
            raise
        print(f"{time.monotonic() - started:.0f} s")


Contents = dict[str, "str | Path"]
"""The files of a box: name => text, or the file that has it."""


def libvirt(builder: Builder, raw: Path) -> Contents:
    disk = raw.with_name("box.img")
    builder.run("qemu-img", "convert", "-c", "-O", "qcow2", raw, disk)
    gigabytes = raw.stat().st_size // 2**30
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": gigabytes, "architecture": "amd64"}
    return {"metadata.json": json.dumps(metadata), "box.img": disk}


def virtualbox(builder: Builder, raw: Path) -> Contents:
    disk = raw.with_name("box-disk1.vmdk")
    builder.run("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, disk)
    # The end of the stream, which qemu-img leaves out and VirtualBox may look for:
    # https://gitlab.com/qemu-project/qemu/-/issues/1357
    with disk.open("ab") as file:
        file.write(bytes(512))
    values = {
        "name": f"revezamento-{builder.release}",
        "capacity": raw.stat().st_size,
        "size": disk.stat().st_size,
    }
    ovf = string.Template((HERE / "box.ovf").read_text(encoding="utf-8")).substitute(values)
    return {
        "metadata.json": json.dumps({"provider": "virtualbox", "architecture": "amd64"}),
        "box.ovf": ovf,
        "box-disk1.vmdk": disk,
        "Vagrantfile": (HERE / "Vagrantfile").read_text(encoding="utf-8"),
    }


def pack(box: Path, contents: Contents, epoch: int) -> None:
    """Write a tar file. It is not compressed, because the disks in it are."""
    with tarfile.open(box, "w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.mode = epoch, 0o644
            if isinstance(content, Path):
                entry.size = content.stat().st_size
                with content.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                data = content.encode()
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other build works in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(message: str) -> None:
    print(f"\033[1m==> {message}\033[0m", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="providers/vagrant/box/build", description="Make Vagrant's boxes.")
    parser.add_argument("providers", nargs="*", metavar="PROVIDER", help="libvirt, virtualbox; default: both")
    providers: list[Any] = parser.parse_args(arguments).providers or ["libvirt", "virtualbox"]
    if unknown := set(providers) - {"libvirt", "virtualbox"}:
        parser.error(f"no box is made for {' or '.join(sorted(unknown))}. Providers: libvirt, virtualbox")
    try:
        builder = Builder(os.environ.get("LAB_RELEASE") or "trixie")
        with alone(builder.folder):
            reason = builder.outdated(providers)
            if reason:
                say(f"Building the box {builder.name}: {reason}")
                builder.build(providers)
            info = builder.built()
            assert info is not None
            say(f"The box {builder.name} {info.version} is ready in {builder.folder.relative_to(ROOT)}")
    except BoxError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
