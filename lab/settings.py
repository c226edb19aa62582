"""The settings that the lab on this host was started with. .lab/settings keeps them for later verbs.

    python -m lab.settings start COMMAND…   the environment wins; a variable that is not set keeps its recorded value
    python -m lab.settings use COMMAND…     the record wins, unless LAB_INVENTORY names another inventory
    python -m lab.settings own COMMAND…     the record always wins: the command acts on the machines of this host
    python -m lab.settings record           record the settings that `start` uses
    python -m lab.settings forget           remove the record

COMMAND runs with the settings in its environment. Without a record, the environment stays as it is.

For this lab, Ansible keeps one Python process per machine (Mitogen), unless ANSIBLE_STRATEGY is set. Other machines,
such as production's, get plain Ansible.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("LAB_INVENTORY", "LAB_SUBNET", "LAB_RELEASE")
DEFAULTS = {"LAB_INVENTORY": "inventory/lab"}
"""The defaults of the other settings are in the inventory and the providers."""

MITOGEN = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_DEPRECATION_WARNINGS": "false"}
"""Without the second, each run warns that ansible-core may drop foreign strategies (docs/decisions.md)."""

Settings = dict[str, str]
"""A value for each of NAMES; '' for a setting that is not set."""


class Record:
    """The file .lab/settings: one line `NAME=value` for each setting, `NAME=` for one that is not set."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.path = root / ".lab" / "settings"

    def read(self) -> Settings | None:
        """The recorded settings; None if there is no record or its inventory no longer exists."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        settings = _filled({name: value for name, _, value in (line.partition("=") for line in lines)})
        return settings if (self.root / settings["LAB_INVENTORY"]).exists() else None

    def write(self, settings: Settings) -> None:
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.write_text("".join(f"{name}={settings[name]}\n" for name in NAMES), encoding="utf-8")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def for_start(self, environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
        """The settings for a verb that starts the lab, and the messages for the user."""
        recorded = self.read()
        if recorded is None:
            return _filled(environment), []
        unset = [name for name in NAMES if not environment.get(name)]
        kept = [f"{name}={recorded[name]}" for name in unset if recorded[name] != DEFAULTS.get(name, "")]
        notes = [
            f"{setting}, as recorded when this lab was started. To return to the default: make down first."
            for setting in kept
        ]
        return _filled(dict(environment) | {name: recorded[name] for name in unset}), notes

    def for_use(self, environment: Mapping[str, str], *, own: bool = False) -> tuple[Settings, list[str]]:
        """The settings for any other verb, and the messages. `own`: the verb acts on the machines of this host only."""
        recorded = self.read()
        if recorded is None:
            return _filled(environment), []
        inventory = environment.get("LAB_INVENTORY")
        if inventory and not own and not self._same("LAB_INVENTORY", inventory, recorded):
            started = _written("LAB_INVENTORY", recorded)
            return _filled(environment), [
                f"Using LAB_INVENTORY={inventory}; the lab of this host was started {started}."
            ]
        ignored = [
            name for name in NAMES if environment.get(name) and not self._same(name, environment[name], recorded)
        ]
        notes = [
            f"{name}={environment[name]} is ignored: this lab was started {_written(name, recorded)}. "
            f"To change it: make down, then start the lab with {name}={environment[name]}."
            for name in ignored
        ]
        return recorded, notes

    def _same(self, name: str, value: str, recorded: Settings) -> bool:
        if name == "LAB_INVENTORY":
            return (self.root / value).resolve() == (self.root / recorded[name]).resolve()
        return value == recorded[name]


def apply(root: Path = ROOT) -> None:
    """Set this process's environment as make would, for programs that are run without make."""
    settings, notes = Record(root).for_use(os.environ)
    _print_notes(notes)
    os.environ.update(settings)


def main(arguments: Sequence[str]) -> int:
    verb, *command = arguments or [""]
    record = Record()
    if verb == "record" and not command:
        record.write(record.for_start(os.environ)[0])
    elif verb == "forget" and not command:
        record.forget()
    elif verb == "start" and command:
        settings, notes = record.for_start(os.environ)
        _run(command, settings, notes, mitogen=True)
    elif verb in ("use", "own") and command:
        settings, notes = record.for_use(os.environ, own=verb == "own")
        _run(command, settings, notes, mitogen=verb == "use" and settings == record.read())
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


def _run(command: Sequence[str], settings: Settings, notes: Sequence[str], *, mitogen: bool) -> None:
    """Replace this process with the command."""
    _print_notes(notes)
    if mitogen:
        os.environ.update(MITOGEN | os.environ)
    os.environ.update(settings, ANSIBLE_INVENTORY=settings["LAB_INVENTORY"])
    os.execvp(command[0], [*command])


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(note, file=sys.stderr, flush=True)


def _filled(values: Mapping[str, str]) -> Settings:
    return {name: values.get(name) or DEFAULTS.get(name, "") for name in NAMES}


def _written(name: str, recorded: Settings) -> str:
    return f"with {name}={recorded[name]}" if recorded[name] else f"without {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
