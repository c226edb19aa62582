"""Switches machines off, as in a power cut, and on again.

The provider is Podman (providers/podman/) or Vagrant, whichever has the running machines. As a command:

    python -m lab.power off backend2
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import yaml

from lab.inventory import ROOT

VIRSH = ("virsh", "--connect=qemu:///system")


class ProviderError(RuntimeError):
    """The provider failed; the message says what to do."""


class Provider(Protocol):
    """Machines by their name in the inventory."""

    def has(self, machine: str) -> bool:
        """Whether this provider created the machine."""

    def is_on(self, machine: str) -> bool: ...

    def off(self, machine: str) -> None:
        """Cut the power: without a shutdown, and without flushing caches."""

    def on(self, machine: str) -> None: ...


class Containers:
    """The container lab. Podman's restart policy does not restart a container after `podman kill`."""

    def __init__(self) -> None:
        settings = yaml.safe_load((ROOT / "providers" / "podman" / "settings.yml").read_text(encoding="utf-8"))
        self._label = str(settings["provider_label"])

    def has(self, machine: str) -> bool:
        return bool(self._ids(machine))

    def is_on(self, machine: str) -> bool:
        return bool(self._ids(machine, "--filter=status=running"))

    def off(self, machine: str) -> None:
        self._podman("kill", "--signal=KILL", *self._ids(machine))

    def on(self, machine: str) -> None:
        self._podman("start", *self._ids(machine))

    def _ids(self, machine: str, *filters: str) -> list[str]:
        if shutil.which("podman") is None:
            return []
        return self._podman("ps", "--all", "--quiet", f"--filter=label={self._label}={machine}", *filters).split()

    def _podman(self, *arguments: str) -> str:
        done = subprocess.run(podman(*arguments), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProviderError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


class VirtualMachines:
    """Vagrant's machines, by the ids in its folder. virsh is called directly: it takes one second, Vagrant ten."""

    def __init__(self, state: Path | None = None) -> None:
        """`state`: the project's .vagrant folder."""
        self._machines = (state or ROOT / (os.environ.get("VAGRANT_DOTFILE_PATH") or ".vagrant")) / "machines"

    def has(self, machine: str) -> bool:
        return self._id(machine) is not None

    def is_on(self, machine: str) -> bool:
        if uuid := self._libvirt(machine):
            return self._run(*VIRSH, "domstate", uuid).strip() == "running"
        lines = self._run("vagrant", "status", machine, "--machine-readable").splitlines()
        return [line.split(",")[3] for line in lines if line.split(",")[2:3] == ["state"]] == ["running"]

    def off(self, machine: str) -> None:
        if uuid := self._libvirt(machine):
            self._run(*VIRSH, "destroy", uuid)
        else:
            self._run("vagrant", "halt", "--force", machine)

    def on(self, machine: str) -> None:
        if uuid := self._libvirt(machine):
            self._run(*VIRSH, "start", uuid)
        else:
            self._run("vagrant", "up", "--no-provision", machine)

    def _id(self, machine: str) -> Path | None:
        """The file that holds the machine's id, in a folder named after Vagrant's provider."""
        return next(self._machines.glob(f"{machine}/*/id"), None)

    def _libvirt(self, machine: str) -> str:
        """The machine's id for virsh; '' for machines of other providers."""
        path = self._id(machine)
        return path.read_text(encoding="utf-8").strip() if path and path.parent.name == "libvirt" else ""

    def _run(self, *command: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        except FileNotFoundError as error:
            raise ProviderError(f"{command[0]} is not installed here, and Vagrant made these machines") from error
        if done.returncode:
            raise ProviderError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def podman(*arguments: str) -> list[str]:
    """A podman command that runs as root, with the settings that `make up` wrote for this host."""
    conf = ROOT / ".lab" / "containers.conf"
    environment = ["env", f"CONTAINERS_CONF={conf}"] if conf.exists() else []
    return [*([] if os.geteuid() == 0 else ["sudo"]), *environment, "podman", *arguments]


def provider_of(machines: Sequence[str]) -> Provider:
    """The provider that has all these machines; one that has them running is preferred.

    Raises:
        ProviderError: no provider on this host has all of them.
    """
    candidates: list[Provider] = [Containers(), VirtualMachines()]
    able = [provider for provider in candidates if all(provider.has(name) for name in machines)]
    if not able:
        missing = [name for name in machines if not any(provider.has(name) for provider in candidates)]
        problem = f"{', '.join(missing)}: no container of this host and no virtual machine of this project"
        raise ProviderError(f"{problem}, so it cannot be switched off from here")
    return next((provider for provider in able if any(provider.is_on(name) for name in machines)), able[0])


def main(arguments: Sequence[str]) -> int:
    """`on`, `off` or `is-on` and the name of a machine; returns 0 on success and 1 on failure."""
    verb, machine = arguments if len(arguments) == 2 else ("", "")
    if verb not in ("on", "off", "is-on"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        provider = provider_of([machine])
        if verb == "is-on":
            return int(not provider.is_on(machine))
        (provider.on if verb == "on" else provider.off)(machine)
    except ProviderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
