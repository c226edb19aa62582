"""Acts on all machines of the lab at once: each machine is a container with systemd.

    machines.py due        print the machines and containers that `start` would change
    machines.py start      create and start what is missing, remove what is no longer wanted
    machines.py save       save every machine as an image
    machines.py reset      replace every machine with its saved image

stdin: `provider_lab` of settings.yml as JSON. Prints one line for each change. Runs as root.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BOOT_SECONDS = 120
SHUTDOWN_SECONDS = 60
KILLED = 128 + signal.SIGKILL
SETTINGS_LABEL = "revezamento-settings"
CONTENT_LABEL = "revezamento-content"
DEFAULT_SNAPSHOT = "revezamento"


class MachineError(RuntimeError):
    """A machine failed; the message names it."""


class Lab:
    """The wanted machines, and the containers that are there."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.label: str = wanted["label"]
        self.image: str = wanted["image"]
        self.snapshots: str = wanted["snapshots"]
        self.snapshot_name: str = wanted["snapshot"]
        self.content: str = wanted["content"]  # a hash of all that makes a machine what it is
        self.prefers_snapshots: bool = wanted["from_snapshot"]
        self.options: list[str] = wanted["options"]
        self.ssh: list[str] = wanted["ssh"]
        self.known_hosts = Path(wanted["known_hosts"])
        self.prefix: str = wanted["network"]
        self.addresses: dict[str, str] = wanted["machines"]

    def container(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def snapshot(self, name: str) -> str:
        """The image of a machine in the snapshot that this run is about."""
        suffix = "" if self.snapshot_name == DEFAULT_SNAPSHOT else f"-{self.snapshot_name}"
        return f"{self.snapshots}{suffix}:{name}"

    def settings(self, name: str) -> str:
        """What `podman run` is told about a machine, as a short hash. A machine with another one is created again.

        It contains the release's image by name: a newer build of it replaces no machine, and neither does a snapshot.
        """
        wanted = [self.image, self.addresses[name], *self.options]
        return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]

    def present(self) -> dict[str, dict[str, Any]]:
        """Podman's description of each of the lab's containers, by its name."""
        listed = json.loads(podman("ps", "--all", "--format=json", f"--filter=label={self.label}"))
        return {container["Names"][0]: container for container in listed}

    def usable(self) -> dict[str, dict[str, Any]]:
        """The containers to keep, by machine: those that have run, with the current settings."""
        present = self.present()
        there = {name: present[self.container(name)] for name in self.addresses if self.container(name) in present}
        return {
            name: container
            for name, container in there.items()
            if container["State"] not in ("created", "configured", "initialized")
            and container["Labels"].get(SETTINGS_LABEL) == self.settings(name)
        }

    def due(self) -> list[str]:
        usable = self.usable()
        running = {self.container(name) for name in usable if usable[name]["State"] == "running"}
        settled = running - {self.container(name) for name in self.strangers()}
        return sorted({*self.present(), *map(self.container, self.addresses)} - settled)

    def strangers(self) -> list[str]:
        """The machines whose SSH keys are not known here. Mitogen, unlike ssh, never accepts a new one."""
        known = self.known_hosts.read_text(encoding="utf-8").split() if self.known_hosts.exists() else []
        return [name for name, address in self.addresses.items() if address not in known]

    def start(self) -> None:
        usable = self.usable()
        kept = {self.container(name) for name in usable}
        self.remove(name for name in self.present() if name not in kept)
        missing = [name for name in self.addresses if name not in usable]
        if self.prefers_snapshots and not usable and self.is_current_snapshot():
            self.create({name: self.snapshot(name) for name in missing})
        else:
            self.create(dict.fromkeys(missing, self.image))
        stopped = [name for name in usable if usable[name]["State"] != "running"]
        everywhere(lambda name: podman("start", self.container(name)), stopped)
        report("started", stopped)
        everywhere(self.wait, {*missing, *stopped, *self.strangers()})

    def save(self) -> None:
        """The machines stop for a moment, so that no daemon is caught in the middle of a write."""
        present = self.present()
        if missing := [name for name in self.addresses if self.container(name) not in present]:
            raise MachineError(f"{', '.join(missing)}: not created, so there is nothing to save. Remedy: make up")
        everywhere(self._save, self.addresses)
        report("saved", self.addresses)
        podman("image", "prune", "--force", f"--filter=label={self.label}")  # the former snapshot
        everywhere(self.wait, self.addresses)

    def reset(self) -> None:
        images = podman("images", "--format={{.Repository}}:{{.Tag}}").split()
        if missing := [name for name in self.addresses if self.snapshot(name) not in images]:
            raise MachineError(self._no_snapshot(missing, images))
        self.remove(self.present())
        self.create({name: self.snapshot(name) for name in self.addresses})
        everywhere(self.wait, self.addresses)

    def _no_snapshot(self, missing: Sequence[str], images: Sequence[str]) -> str:
        repositories = {image.rpartition(":")[0] for image in images}
        others = {
            name.removeprefix(f"{self.snapshots}-") for name in repositories if name.startswith(f"{self.snapshots}-")
        }
        others |= {DEFAULT_SNAPSHOT} if self.snapshots in repositories else set()
        there = f" There are: {', '.join(sorted(others))}." if others - {self.snapshot_name} else ""
        name = "" if self.snapshot_name == DEFAULT_SNAPSHOT else f" NAME={self.snapshot_name}"
        what = f"snapshot {self.snapshot_name}" if name else "snapshot"
        return f"There is no {what} of {', '.join(missing)}.{there} Remedy: make snapshot{name}, of all machines"

    def is_current_snapshot(self) -> bool:
        """Whether there is a snapshot of every machine, made from the present content of the project."""
        label = f'--format={{{{index .Labels "{CONTENT_LABEL}"}}}}'
        found = run(["podman", "image", "inspect", label, *map(self.snapshot, self.addresses)])
        is_current = found.returncode == 0 and {*found.stdout.split()} == {self.content}
        if not is_current:
            print("no snapshot of the present content: starting from the base image", flush=True)
        return is_current

    def create(self, images: dict[str, str]) -> None:
        """Create and start machines, each from its image."""
        if images:
            self.forget_host_keys()
        everywhere(lambda name: self._create(name, images[name]), images)
        report("created", images)

    def forget_host_keys(self) -> None:
        """New machines have new keys, which ssh accepts at the first connection. The file stays its owner's."""
        self.known_hosts.write_text("", encoding="utf-8")
        owner = self.known_hosts.parent.stat()
        os.chown(self.known_hosts, owner.st_uid, owner.st_gid)

    def remove(self, containers: Iterable[str]) -> None:
        """Without a shutdown."""
        if containers := list(containers):
            podman("rm", "--force", "--time=0", "--volumes", *containers)
            report("removed", containers)

    def wait(self, name: str) -> None:
        """Wait until the machine answers SSH."""
        command = [*self.ssh, self.addresses[name], "true"]
        deadline = time.monotonic() + BOOT_SECONDS
        while (answer := run(command)).returncode:
            if time.monotonic() > deadline:
                log = run(["podman", "logs", "--tail=10", self.container(name)])
                raise MachineError(
                    f"{name} ({self.addresses[name]}) does not answer SSH: {answer.stderr.strip()}\n"
                    f"The end of its log:\n{log.stdout.strip()}"
                )
            time.sleep(0.3)

    def _create(self, name: str, image: str) -> None:
        address = self.addresses[name]
        podman(
            "run",
            "--detach",
            f"--name={self.container(name)}",
            f"--hostname={name}",
            f"--ip={address}",
            # A real machine keeps its address. With a new one after each start, others would not find it
            # until their neighbor tables expire, up to 40 s later.
            f"--mac-address={mac(address)}",
            f"--label={self.label}={name}",
            f"--label={SETTINGS_LABEL}={self.settings(name)}",
            *self.options,
            image,
        )

    def _save(self, name: str) -> None:
        container = self.container(name)
        # A daemon that is still starting may not stop in time. apt creates its caches again when it needs them; they
        # are most of what a machine adds to its image. This fails on a machine that is off, which needs neither.
        run(["podman", "exec", container, "sh", "-c", "systemctl is-system-running --wait; apt-get clean"])
        try:
            podman("stop", f"--time={SHUTDOWN_SECONDS}", container)
            if podman("inspect", "--format={{.State.ExitCode}}", container).strip() == str(KILLED):
                raise MachineError(f"it did not shut down within {SHUTDOWN_SECONDS} s, so it was not saved")
            podman(
                "commit", "--quiet", f"--change=LABEL {CONTENT_LABEL}={self.content}", container, self.snapshot(name)
            )
        finally:
            podman("start", container)


def mac(address: str) -> str:
    """A locally administered MAC address that contains the IPv4 address."""
    return ":".join(["02", "00", *(f"{int(byte):02x}" for byte in address.split("."))])


def podman(*arguments: str) -> str:
    done = run(["podman", *arguments])
    if done.returncode:
        raise MachineError(f"podman {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def everywhere(act: Callable[[str], object], machines: Iterable[str]) -> None:
    """Act on all machines in parallel. Every machine is tried; the error names all that failed."""
    with ThreadPoolExecutor(max_workers=32) as pool:
        pending = {name: pool.submit(act, name) for name in machines}
    failed = {name: future.exception() for name, future in pending.items() if future.exception()}
    if failed:
        raise MachineError("\n".join(f"{name}: {error}" for name, error in failed.items()))


def report(done: str, machines: Iterable[str]) -> None:
    for machine in machines:
        print(f"{machine}: {done}", flush=True)


def main(arguments: Sequence[str]) -> int:
    verb = arguments[0] if len(arguments) == 1 else ""
    if verb not in ("due", "start", "save", "reset"):
        print(__doc__, file=sys.stderr)
        return 2
    lab = Lab(json.load(sys.stdin))
    try:
        if verb == "due":
            print("\n".join(lab.due()))
        else:
            getattr(lab, verb)()
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
