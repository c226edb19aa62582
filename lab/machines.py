"""The machines as the tests see them: inventory variables and an SSH connection.

lab = Lab(Inventory.load())
lab["backend1"].output("hostname")
lab["backend1"].root("systemctl restart revezamento.service")
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from lab.inventory import Inventory, Machine
from lab.waiting import SLOW

T = TypeVar("T")

CONNECT_SECONDS = 5 * SLOW
SILENCE_SECONDS = 15 * SLOW
"""A connection that is silent for this long is dead: its machine was switched off."""


SERVERS_IN_USE = "this inventory is no lab's, and its servers have users. Remedy: make up, then the same command"
"""Why a command that stops or loads machines refuses an inventory."""


@dataclass
class Box:
    """One machine, as a member of `tiers`: `Lab.tier` returns boxes of that tier alone.

    `vars` are its templated inventory variables; `role(name)` adds the defaults of a role.
    """

    machine: Machine
    tiers: tuple[str, ...]
    control_path: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def address(self) -> str:
        return self.machine.address

    @property
    def vars(self) -> Any:
        return self.machine.vars

    @property
    def units(self) -> list[str]:
        """The systemd units that must be active."""
        return [unit for tier in self._tiers for unit in tier["units"]]

    @property
    def role_command(self) -> str:
        """A shell command that prints the machine's role in its tier, and fails if the tier is not complete."""
        return " && ".join(tier["role_command"] for tier in self._tiers if tier.get("role_command")) or "true"

    @property
    def service(self) -> str:
        """The unit of the daemon itself: the last one."""
        return [unit for unit in self.units if unit.endswith(".service")][-1]

    def role(self, name: str) -> Any:
        """Variables as a task of that role sees them."""
        return self.machine.role(name).vars

    @cached_property
    def host(self) -> Host:
        """testinfra's host: `box.host.service(...)`, `.file(...)`, `.sudo()`."""
        return testinfra.get_host(
            f"ssh://{self.vars['ansible_user']}@{self.machine.ssh_address}",
            ssh_extra_args=" ".join(self._ssh_options),
        )

    def run(self, command: str, *args: str) -> CommandResult:
        """Run a shell command as the login user; `args` are quoted into its `%s`."""
        return self.host.run(command, *args)

    def root(self, command: str, *args: str) -> CommandResult:
        """Run a shell command as root."""
        return self.host.run("sudo -n /bin/sh -c %s", self.host.backend.quote(command, *args))

    def output(self, command: str, *args: str) -> str:
        """The output of a command run as the login user; fails if the command fails."""
        return self._printed(self.run(command, *args))

    def root_output(self, command: str, *args: str) -> str:
        """The output of a command run as root; fails if the command fails."""
        return self._printed(self.root(command, *args))

    def python(self, program: str, argument: Any, *, root: bool = False, python: str = "python3") -> Any:
        """Run a Python program that reads `argument` as JSON from stdin, hidden from process lists, and prints JSON."""
        command = f"{'sudo -n ' if root else ''}{python} -c {shlex.quote(program)}"
        ssh = ["ssh", *self._ssh_options]
        target = f"{self.vars['ansible_user']}@{self.machine.ssh_address}"
        done = subprocess.run(
            [*shlex.split(" ".join(ssh)), target, command],
            input=json.dumps(argument),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {done.stderr.strip()[-2000:]}"
        return json.loads(done.stdout)

    def start_command(self, command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a shell command as the login user and return its local end; `options` are those of Popen."""
        ssh = ["ssh", *self._ssh_options, "-i", str(self.vars["ansible_ssh_private_key_file"])]
        target = f"{self.vars['ansible_user']}@{self.machine.ssh_address}"
        return subprocess.Popen([*shlex.split(" ".join(ssh)), target, command], **options)

    def journal(self, *units: str, since: float | None = None, lines: int = 30) -> str:
        """The last lines of the units' journal, from `since` (seconds since 1970) on."""
        chosen = " ".join(f"--unit={shlex.quote(unit)}" for unit in units)
        period = f"--since=@{since:.0f}" if since else ""
        printed = self.root(f"journalctl --quiet --no-pager --output=short-iso {chosen} {period} --lines={lines}")
        return str(printed.stdout)

    def problem(self) -> str:
        """Why the machine does not run commands; '' if it does."""
        try:
            return "" if self.run("true").succeeded else "it runs no commands"
        except RuntimeError as error:
            return str(error.args[0].stderr).strip().splitlines()[-1]

    def main_pid(self, unit: str) -> int:
        """The main process of a service, 0 if it has none."""
        return int(self.output("systemctl show --property=MainPID --value %s", unit))

    def is_active(self, *units: str) -> bool:
        """Whether all these units are active."""
        states = self.run(f"systemctl is-active {shlex.join(units)}").stdout.split() if units else []
        return states == ["active"] * len(units)

    def start(self, *units: str) -> None:
        """Start units and wait until all are active."""
        result = self.root(f"systemctl reset-failed {shlex.join(units)}; systemctl start {shlex.join(units)}")
        assert result.succeeded, f"{self.name}: {result.stderr}\n{self.journal(*units)}"

    @contextmanager
    def stopped(self, *units: str) -> Iterator[None]:
        """Stop units within the context, and always start them afterwards."""
        try:
            self.root_output(f"systemctl stop {shlex.join(units)}")
            yield
        finally:
            self.start(*units)

    @contextmanager
    def frozen(self, unit: str) -> Iterator[None]:
        """Suspend a service within the context: it accepts connections but does not answer."""
        try:
            self.root_output("systemctl kill --signal=STOP %s", unit)
            yield
        finally:
            self.root_output("systemctl kill --signal=CONT %s", unit)

    @contextmanager
    def forwarded(self, port: int) -> Iterator[int]:
        """Forward a local port to a port on the machine's loopback interface."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            local = free.getsockname()[1]
        ssh = ["ssh", *self._ssh_options]
        own = ["-o ControlPath=none -o ExitOnForwardFailure=yes -N", f"-L 127.0.0.1:{local}:127.0.0.1:{port}"]
        target = f"{self.vars['ansible_user']}@{self.machine.ssh_address}"
        tunnel = subprocess.Popen(shlex.split(" ".join([ssh[0], *own, *ssh[1:], target])), stdin=subprocess.DEVNULL)
        try:
            yield local
        finally:
            tunnel.terminate()
            tunnel.wait()

    def disconnect(self) -> None:
        """Close the shared connection; the next command opens a new one."""
        target = f"{self.vars['ansible_user']}@{self.machine.ssh_address}"
        command = shlex.split(" ".join(["ssh", *self._ssh_options, "-O", "exit", target]))
        subprocess.run(command, capture_output=True, check=False)

    @property
    def _tiers(self) -> list[Mapping[str, Any]]:
        return [tier for name, tier in self.vars["tiers"].items() if name in self.tiers]

    @property
    def _ssh_options(self) -> list[str]:
        """As Ansible uses ssh: with what the inventory or the environment says."""
        key = self.vars.get("ansible_ssh_private_key_file") or os.environ.get("ANSIBLE_PRIVATE_KEY_FILE")
        return [
            f"-i {shlex.quote(str(key))}" if key else "",
            str(self.vars.get("ansible_ssh_common_args") or os.environ.get("ANSIBLE_SSH_COMMON_ARGS", "")),
            f"-o ControlMaster=auto -o ControlPersist=120s -o ControlPath={self.control_path}",
            f"-o ConnectTimeout={CONNECT_SECONDS} -o BatchMode=yes -o LogLevel=ERROR",
            f"-o ServerAliveInterval={SILENCE_SECONDS // 3} -o ServerAliveCountMax=3",
        ]

    def _printed(self, result: CommandResult) -> str:
        assert result.succeeded, f"{self.name}: {result.stderr.strip() or result.stdout.strip()}"
        return str(result.stdout).strip()


class Lab:
    """All machines of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._control = tempfile.TemporaryDirectory(prefix="lab-ssh-")
        groups = {name: hosts for name, hosts in inventory.groups.items() if name != "all"}
        self._boxes = {
            machine.name: Box(
                machine,
                tuple(group for group, hosts in groups.items() if machine.name in hosts),
                f"{self._control.name}/%C",
            )
            for machine in inventory.hosts()
        }

    def __getitem__(self, name: str) -> Box:
        return self._boxes[name]

    def __iter__(self) -> Iterator[Box]:
        return iter(self._boxes.values())

    def tier(self, group: str) -> list[Box]:
        """The machines of one group, as its members; `all` for every machine."""
        if group == "all":
            return list(self)
        return [replace(box, tiers=(group,)) if len(box.tiers) > 1 else box for box in self if group in box.tiers]

    def names(self, group: str) -> list[str]:
        return [box.name for box in self.tier(group)]

    def addresses(self, group: str) -> list[str]:
        return [box.address for box in self.tier(group)]

    @property
    def vars(self) -> Any:
        """The variables that all machines share."""
        return next(iter(self)).vars

    @property
    def domain(self) -> str:
        return str(self.vars["lab_domain"])

    @property
    def tiers(self) -> dict[str, dict[str, Any]]:
        """The tiers of ansible/group_vars/all/tiers.yml."""
        return self.inventory.tiers

    @property
    def is_for_breaking(self) -> bool:
        """Whether these are machines of a lab, which may be stopped, rather than servers that people use."""
        return "lab_subnet" in self.vars

    @property
    def is_redundant(self) -> bool:
        """Whether each tier with a daemon has more than one machine."""
        return all(len(self.tier(group)) > 1 for group, tier in self.tiers.items() if tier["units"])

    @property
    def site_url(self) -> str:
        """The site's URL, without a trailing slash."""
        return str(self.vars["site_url"])

    @property
    def site_name(self) -> str:
        return str(self.vars["site_name"])

    @property
    def site_port(self) -> int:
        return int(self.vars["site_port"])

    @property
    def ca_file(self) -> Path | None:
        """The certificate authority that has signed the site's certificate, if it is the lab's own."""
        return Path(str(self.vars["lab_ca_folder"])) / "ca.crt" if self.vars["nginx_tls"] == "lab_ca" else None

    @property
    def www_addresses(self) -> list[str]:
        """What the site's name resolves to."""
        return list(self.vars["www_addresses"])

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret by its name in the inventory. Never print one or put it on a command line."""
        return {name: str(self.vars[name]) for name in self.vars if name.startswith("secret_")}

    def everywhere(
        self, ask: Callable[[Box], T], boxes: Sequence[Box] | None = None, *, at_once: int | None = None
    ) -> dict[str, T]:
        """Call `ask` for all machines in parallel, or for `at_once` of them; return the results by machine name."""
        chosen = list(self if boxes is None else boxes)
        with ThreadPoolExecutor(at_once or len(chosen) or 1) as pool:
            return dict(zip((box.name for box in chosen), pool.map(ask, chosen), strict=True))

    @contextmanager
    def outage(self, group: str) -> Iterator[None]:
        """Stop all machines' units of a tier within the context, and always start them afterwards.

        All at once: the members of a database cluster wait for each other.
        """
        boxes = self.tier(group)
        try:
            self.everywhere(lambda box: box.root_output(f"systemctl stop {shlex.join(box.units)}"), boxes)
            yield
        finally:
            self.everywhere(lambda box: box.start(*box.units), boxes)

    @contextmanager
    def frozen(self, group: str) -> Iterator[None]:
        """Suspend the daemon of all machines of a tier within the context."""
        with ExitStack() as stack:
            for box in self.tier(group):
                stack.enter_context(box.frozen(box.service))
            yield

    def close(self) -> None:
        self.everywhere(lambda box: box.disconnect())
        self._control.cleanup()
