"""The one place of the drills that knows who makes the machines: power off without a warning, and on again.

Today that is Podman, which ansible/twin/ steers. Virtual machines are another class here, and nothing else changes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

import yaml

from tests.inventory import ROOT
from tests.workbench import podman


class ProviderError(RuntimeError):
    """The provider did not do what it was asked; the message says what to do."""


class Provider(Protocol):
    """Machines by their name in the inventory."""

    def has(self, machine: str) -> bool:
        """Whether it made this machine."""

    def is_on(self, machine: str) -> bool: ...

    def off(self, machine: str) -> None:
        """As when the plug is pulled: nothing is written down, nobody is told."""

    def on(self, machine: str) -> None: ...


class Containers:
    """The embedded lab. Podman's restart policy does not bring back what `podman kill` has ended."""

    def __init__(self) -> None:
        settings = yaml.safe_load((ROOT / "ansible" / "twin" / "settings.yml").read_text(encoding="utf-8"))
        self._label = str(settings["twin_label"])

    def has(self, machine: str) -> bool:
        return bool(self._ids(machine))

    def is_on(self, machine: str) -> bool:
        return bool(self._ids(machine, "--filter=status=running"))

    def off(self, machine: str) -> None:
        self._podman("kill", "--signal=KILL", *self._ids(machine))

    def on(self, machine: str) -> None:
        self._podman("start", *self._ids(machine))

    def _ids(self, machine: str, *filters: str) -> list[str]:
        return self._podman("ps", "--all", "--quiet", f"--filter=label={self._label}={machine}", *filters).split()

    def _podman(self, *arguments: str) -> str:
        done = subprocess.run(podman(*arguments), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProviderError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def provider_of(machines: Sequence[str]) -> Provider:
    """Who can switch these machines off and on.

    Raises:
        ProviderError: nobody here can.
    """
    containers: Provider = Containers()
    missing = [name for name in machines if not containers.has(name)]
    if missing:
        raise ProviderError(f"{', '.join(missing)}: no container of this host, so it cannot be switched off from here")
    return containers
