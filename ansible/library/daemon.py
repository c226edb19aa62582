#!/usr/bin/python
"""Run a daemon with the configuration that is on the disk. All roles use this module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon
short_description: Run a systemd unit with the configuration that is on the disk
description:
  - Writes the unit's drop-in, enables the unit, starts it, and restarts or reloads it if it runs with
    an older configuration. It compares the running configuration with the files, not with what
    this run of Ansible changed, so that the next run completes an interrupted one.
  - If the unit was started since the last run, files that changed after its start are newer.
    Otherwise their contents are compared with those at its last start or reload, which
    C(/run/revezamento-daemons) records until the next boot.
options:
  unit:
    description: The systemd unit.
    type: str
    required: true
  restart_on:
    description: Files that take effect with a restart. The unit's own files in /etc/systemd are among them.
    type: list
    elements: path
    default: []
  reload_on:
    description: Files that take effect with a reload.
    type: list
    elements: path
    default: []
  drop_in:
    description: Settings for the unit, written to revezamento.conf in its drop-in directory.
    type: str
  sandbox:
    description:
      - Takes from the unit what no daemon of the system needs; the settings stand before C(drop_in), which gives
        back what this daemon does need. Settings that are lists add up.
    type: bool
    default: false
  stop_first:
    description: Units to stop before a restart, such as the service behind a socket.
    type: list
    elements: str
    default: []
  reload:
    description: Always reload.
    type: bool
    default: false
  restart:
    description: Always restart.
    type: bool
    default: false
"""

RETURN = r"""
action:
  description: What was done - C(start), C(restart), C(reload), or nothing.
  type: str
  returned: always
"""

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

STAMPS = Path("/run/revezamento-daemons")
OWN_UNIT_FILES = "/etc/systemd/"
HEADER = "# Ansible managed\n"
SANDBOX = """\
[Service]
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectControlGroups=true
ProtectClock=true
ProtectHostname=true
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

"""
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "InvocationID",
    "InactiveExitTimestamp",
    "FragmentPath",
    "DropInPaths",
)


def digest(paths: Iterable[str]) -> str:
    """The SHA-256 of the files' names and contents; for a link, of its target's path."""
    found = hashlib.sha256()
    for path in sorted(paths):
        file = Path(path)
        content = b""
        if file.is_symlink():
            content = str(file.readlink()).encode()
        elif file.exists():
            content = file.read_bytes()
        found.update(f"{path}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def changed_since(paths: Iterable[str], moment: float) -> bool:
    """Whether any file was written or replaced after `moment` (seconds since 1970)."""
    return any(os.lstat(path).st_ctime > moment for path in paths if os.path.lexists(path))


def started_at(text: str) -> float:
    """systemd's `--timestamp=us+utc` in seconds since 1970; 0 for a unit that was never started."""
    if not text:
        return 0.0
    moment = datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC")
    return moment.replace(tzinfo=timezone.utc).timestamp()  # noqa: UP017 - the guests' Python may be older


class Daemon:
    """The current and the desired state of one unit."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.unit: str = module.params["unit"]
        self.drop_in = Path(f"/etc/systemd/system/{self.unit}.d/revezamento.conf")
        self.stamp_file = STAMPS / f"{self.unit}.json"
        self.state = self.show()

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl; on failure, fail the module with the last lines of the unit's journal."""
        code, out, err = self.module.run_command(["systemctl", *arguments])
        if code:
            lines = self.module.run_command(
                ["journalctl", "--no-pager", "--lines=15", "--output=cat", f"--unit={self.unit}"]
            )[1]
            self.module.fail_json(
                msg=f"systemctl {' '.join(arguments)} failed: {err.strip()}\nThe last lines of {self.unit}:\n{lines}"
            )
        return str(out)

    def show(self) -> dict[str, str]:
        out = self.systemctl("show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}", self.unit)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    @property
    def is_active(self) -> bool:
        return self.state["ActiveState"] in ("active", "reloading")

    def has_older_files(self) -> bool:
        """Whether systemd has not read the files of the unit yet, or those of the service that a timer starts."""
        if self.state["NeedDaemonReload"] == "yes" or not self.unit.endswith(".timer"):
            return self.state["NeedDaemonReload"] == "yes"
        service = self.unit.removesuffix(".timer") + ".service"
        return self.systemctl("show", "--property=NeedDaemonReload", service).strip() == "NeedDaemonReload=yes"

    def files(self) -> dict[str, list[str]]:
        """The files that take effect with a restart, and those that take effect with a reload."""
        unit_files = [self.state["FragmentPath"], *self.state["DropInPaths"].split()]
        own = [path for path in unit_files if path.startswith(OWN_UNIT_FILES)]
        return {"restart": self.module.params["restart_on"] + own, "reload": self.module.params["reload_on"]}

    def write_drop_in(self) -> bool:
        """Write the drop-in; return whether it changed."""
        wanted = self.module.params["drop_in"]
        if wanted is None:
            return False
        text = HEADER + (SANDBOX if self.module.params["sandbox"] else "") + wanted.rstrip("\n") + "\n"
        if self.drop_in.exists() and self.drop_in.read_text(encoding="utf-8") == text:
            return False
        if not self.module.check_mode:
            self.drop_in.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            temporary = self.drop_in.with_suffix(".new")
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o644)
            temporary.rename(self.drop_in)
        return True

    def due(self) -> str:
        """The action that applies the configuration: start, restart, reload, or ''."""
        if not self.is_active:
            return "start"
        files, stamp = self.files(), self.stamp()
        if stamp.get("invocation") == self.state["InvocationID"]:
            late = {kind for kind, paths in files.items() if stamp[kind] != digest(paths)}
        else:
            started = started_at(self.state["InactiveExitTimestamp"])
            late = {kind for kind, paths in files.items() if changed_since(paths, started)}
        late |= {kind for kind in ("restart", "reload") if self.module.params[kind]}
        return "restart" if "restart" in late else "reload" if "reload" in late else ""

    def act(self, action: str) -> None:
        if self.state["ActiveState"] == "failed":
            self.systemctl("reset-failed", self.unit)
        if action == "restart":
            for other in self.module.params["stop_first"]:
                self.systemctl("stop", other)
        self.systemctl(action, self.unit)

    def stamp(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.stamp_file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def write_stamp(self) -> None:
        """Record the configuration that the unit runs with."""
        wanted = {"invocation": self.state["InvocationID"], **{k: digest(p) for k, p in self.files().items()}}
        if wanted != self.stamp():
            STAMPS.mkdir(mode=0o755, exist_ok=True)
            temporary = self.stamp_file.with_suffix(".new")
            temporary.write_text(json.dumps(wanted), encoding="utf-8")
            temporary.rename(self.stamp_file)

    def run(self) -> dict[str, Any]:
        """Apply the configuration; return the module's result."""
        check = self.module.check_mode
        wrote = self.write_drop_in()
        if self.state["LoadState"] == "not-found" and not wrote:
            if check:  # the machine is not provisioned yet
                return {"changed": True, "action": "start"}
            self.systemctl("daemon-reload")
        elif (self.has_older_files() or wrote) and not check:
            self.systemctl("daemon-reload")
        if not check:
            self.state = self.show()
        action = self.due() or ("restart" if wrote and check else "")
        enable = self.state["UnitFileState"] not in ("enabled", "static", "indirect", "generated")
        if not check:
            if enable:
                self.systemctl("enable", self.unit)
            if action:
                self.act(action)
            self.state = self.show()
            self.write_stamp()
        return {"changed": bool(wrote or enable or action), "action": action}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "restart_on": {"type": "list", "elements": "path", "default": []},
            "reload_on": {"type": "list", "elements": "path", "default": []},
            "drop_in": {"type": "str"},
            "sandbox": {"type": "bool", "default": False},
            "stop_first": {"type": "list", "elements": "str", "default": []},
            "reload": {"type": "bool", "default": False},
            "restart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(**Daemon(module).run())


if __name__ == "__main__":
    main()
