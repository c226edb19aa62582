"""Runs the project's tests from scratch, stage by stage: `make test`, and `make test-all` for the long rest as well.

    python -m tests.stages [--all]

Each stage is a command that also works by hand. The first one that fails ends the run and leaves the lab as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.inventory import ROOT, Inventory

PLAIN = "not provisioning and not reboot"
ROUTE_COOKIE = "tests/testinfra/persistence/variables"
HTTPS = "tests/testinfra/tls/variables/lab_ca.yml"
PRODUCTION = "audit/variables.yml"
ACME = "tests/testinfra/tls/variables/acme.yml"
PEBBLE = "tests/testinfra/acme/pebble.yml"
ROTATION = "testinfra/provisioning/test_rotation.py"
HTTP_2 = "tests/testinfra/tls/variables/http2.yml"
DRILLS = "backend1-power frontend1-kill deploy control-no-next control-logout control-swap"
"""Tests and exercises stop the other daemons and machines of `short`, and `redis-restart` follows on inventory/ha."""

SCANNERS = "bandit gixy ssh-audit schemathesis"
"""The quick ones: they come from PyPI, and need nothing on the machines."""

RECAP = re.compile(r"^(?:\S+ \S+ )?(\S+) +: ok=\d+ +changed=(\d+)", re.MULTILINE)
"""A machine and its number of changes. Lines of the log have the time in front."""

NOT_INHERITED = {"V", "STAGES_STARTED", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
"""V=1 would show Ansible's output instead of logging it. The others belong to the make that runs this module."""


class Failed(Exception):
    """A stage failed; the message says why."""


@dataclass(frozen=True)
class Stage:
    """One part of the tests: shell commands that have to succeed, and the log of a run that must change nothing."""

    title: str
    commands: Sequence[str]
    unchanged: Path | None = None

    def run(self) -> None:
        for command in self.commands:
            environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
            code = subprocess.run(command, cwd=ROOT, env=environment, shell=True, check=False).returncode
            if code:
                raise Failed(f"`{command}` ended with exit status {code}")
        if self.unchanged:
            recap = RECAP.findall((ROOT / self.unchanged).read_text(encoding="utf-8"))
            if not recap:
                raise Failed(f"{self.unchanged} has no recap")
            if machines := [name for name, count in recap if count != "0"]:
                raise Failed(
                    f"it changed {', '.join(machines)}, but there was nothing to change (see {self.unchanged})"
                )


def use(command: str) -> str:
    """The command with the settings that the lab was started with."""
    return f"python -m lab.settings use {command}"


def pytest(suite: str, *arguments: str) -> str:
    return use(shlex.join(["pytest", "-q", f"tests/{suite}", *arguments]))


def site(*arguments: str) -> str:
    return use(shlex.join(["lab/play", "test", *arguments, "ansible/site.yml"]))


def route_cookie(variables: str, tests: str) -> Stage:
    """The tests of the mode `route_cookie` with one file of variables that wins over the inventory."""
    file = f"{ROUTE_COOKIE}/{variables}.yml"
    test = pytest("testinfra", "-m", "route_cookie", "-k", tests, "--extra-vars", file)
    return Stage(f"Route cookie: {variables}", [site("--tags=nginx", f"--extra-vars=@{file}"), test])


SHORT = [
    Stage(
        "Linters, and tests without machines", ["make vagrant workbench", "make --jobs --output-sync=line lint unit"]
    ),
    Stage("Create and provision the lab", ["make down", "make up"]),
    Stage("Provision it again: nothing changes", ["make provision"], Path(".lab/log/provision.log")),
    Stage("Verify: machines, network, sessions", [pytest("testinfra", "-m", f"not disruptive and {PLAIN}")]),
    Stage("Verify: kills and outages", [pytest("testinfra", "-m", f"disruptive and {PLAIN}")]),
]
REST = [
    Stage("Dry run: nothing would change", [site("--check", "--diff")], Path(".lab/log/test.log")),
    Stage("Install a browser", [site("--limit=clients", "--tags=client", "--extra-vars=client_browser=true")]),
    Stage("Verify: the page in the browser", [pytest("browser")]),
    Stage("Exercises: solved, and done wrong", [pytest("exercises")]),
    Stage(
        "Interrupted runs, and changes that break a machine",
        [pytest("testinfra", "-m", "provisioning", f"--ignore=tests/{ROTATION}")],
    ),
    Stage("A machine of the lab provisions all others", [pytest("control")]),
    Stage("Drills: power cuts and deployments", [use(f"python -m drills {DRILLS} --seed=1 --before=3 --after=4")]),
    Stage("Every machine reboots", [pytest("testinfra", "-m", "reboot")]),
    Stage(
        "HTTPS, and a closed firewall",
        [
            site(f"--extra-vars=@{PRODUCTION}"),
            pytest("testinfra", "-m", "tls and not disruptive", "--extra-vars", PRODUCTION),
        ],
    ),
    Stage("Scanners", [use(f"python -m audit --extra-vars=@{PRODUCTION} --only {SCANNERS}")]),
]
DOWN = Stage("Remove the lab", ["make down"])
MODES = [
    Stage("HTTPS instead of plain HTTP", [site(f"--extra-vars=@{HTTPS}")]),
    Stage("HTTPS again: nothing changes", [site(f"--extra-vars=@{HTTPS}")], Path(".lab/log/test.log")),
    Stage("HTTPS: verify", [pytest("testinfra", "-m", f"not disruptive and {PLAIN}", "--extra-vars", HTTPS)]),
    Stage("HTTPS: the page in the browser", [pytest("browser", "-m", "not disruptive", "--extra-vars", HTTPS)]),
    Stage("HTTPS: a renewal under load", [pytest("testinfra", "-m", "tls and provisioning", "--extra-vars", HTTPS)]),
    Stage(
        "HTTPS: HTTP/2 and HSTS",
        [
            site("--tags=nginx", f"--extra-vars=@{HTTP_2}"),
            pytest("testinfra", "-m", "tls and not disruptive", "--extra-vars", HTTP_2),
        ],
    ),
    Stage(
        "HTTPS: a certificate by ACME",
        [
            use(f"lab/play test {PEBBLE}"),
            site(f"--extra-vars=@{ACME}"),
            pytest("testinfra", "-m", "tls", "--extra-vars", ACME),
            use(f"lab/play test --extra-vars=pebble=false {PEBBLE}"),
        ],
    ),
    Stage("Plain HTTP again", [site()]),
    route_cookie("draining", "drain or spread or honoured"),
    route_cookie("equal", "not drain and not more"),
    route_cookie("weighted", "spread or honoured"),
    route_cookie("fourth", "more"),
    Stage("Other secrets", [pytest(ROTATION)]),
    Stage("As before", [site(), pytest("testinfra", "-m", f"not disruptive and {PLAIN}")]),
]
"""On a lab that is up, after `make verify`, which installs the browser."""
HA_TESTS = " ".join(f"tests/testinfra/{folder}" for folder in ("dns", "redis", "mysql", "frontend", "common"))
HA_DRILLS = "dns1-power redis-restart"
HA = [
    Stage("No machine is indispensable: create and provision", ["LAB_INVENTORY=inventory/ha make up"]),
    Stage("Provision it again: nothing changes", ["make provision"], Path(".lab/log/provision.log")),
    Stage("Verify its tiers", [use(f"pytest -q {HA_TESTS} -m 'not disruptive and {PLAIN}'")]),
    Stage("Exercise: a machine of each other tier loses its power", [pytest("exercises/test_11_any_machine.py")]),
    Stage("Drills: so does a name server", [use(f"python -m drills {HA_DRILLS} --seed=1 --before=3 --after=4")]),
]
MACHINE_TLS = "tests/testinfra/machine_tls/variables/on.yml"
CHANGE = "--extra-vars=machine_tls_change=true"
MACHINE_TESTS = " ".join(f"tests/testinfra/{folder}" for folder in ("machine_tls", "redis", "mysql"))
HA_TLS = [
    Stage("TLS between its machines", [site(f"--extra-vars=@{MACHINE_TLS}", CHANGE)]),
    Stage("TLS again: nothing changes", [site(f"--extra-vars=@{MACHINE_TLS}")], Path(".lab/log/test.log")),
    Stage("TLS: verify", [use(f"pytest -q {MACHINE_TESTS} -m 'not reboot' --extra-vars {MACHINE_TLS}")]),
    Stage("Plain connections again", [site(CHANGE), use(f"pytest -q {MACHINE_TESTS} -m 'not disruptive and {PLAIN}'")]),
    Stage("Other secrets", [pytest(ROTATION)]),
]
ELSEWHERE = Stage(
    "Vagrant's boxes, and servers that the lab did not make",
    ["make --jobs --output-sync=line test-box test-servers"],
)


def duration(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the project's tests from scratch.")
    parser.add_argument("--all", action="store_true", help="the long rest as well")
    parser.add_argument("--modes", action="store_true", help="other modes of the lab that is up, instead of all others")
    options = parser.parse_args()
    stages = [*SHORT, *REST, DOWN, *HA, DOWN, ELSEWHERE] if options.all else [*SHORT, DOWN]
    if options.modes:
        stages = HA_TLS if len(Inventory.load().hosts("redis")) > 1 else MODES
    started, table = time.monotonic(), []
    for number, stage in enumerate(stages, start=1):
        print(f"\n[{number}/{len(stages)}] {stage.title}", flush=True)
        stage_started = time.monotonic()
        try:
            stage.run()
        except Failed as problem:
            print(
                f"\nFAILED in stage {number} of {len(stages)}, {stage.title}: {problem}.\n"
                "The lab is as the stage left it. Next: repeat the command, look around, and make down.",
                file=sys.stderr,
            )
            return 1
        table.append(f"{stage.title:<52} {duration(time.monotonic() - stage_started):>12}")
    print("\n" + "\n".join(table), f"\n{'All stages passed':<52} {duration(time.monotonic() - started):>12}", sep="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
