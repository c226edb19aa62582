"""Runs the field's scanners on the lab that is up, and prints what they found: `make audit`.

Ends with 1 if something was found that audit/accepted.yml does not accept, or if a scanner has failed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from rich.console import Console
from rich.markup import escape

from audit import accepted, code, hosts, network, report, web
from audit.finding import Finding, Level, guarded
from audit.programs import STATE
from audit.site import Site
from lab.inventory import Inventory
from lab.machines import SERVERS_IN_USE, Lab
from lab.playbooks import run_playbook, tail

SCANNERS: dict[str, Callable[[Site], Iterable[Finding]]] = {
    "bandit": code.bandit,
    "gixy": code.gixy,
    "lynis": hosts.lynis,
    "ssh-audit": hosts.ssh_audit,
    "nmap": network.nmap,
    "testssl.sh": network.testssl,
    "dnsviz": network.dnsviz,
    "schemathesis": web.schemathesis,
    "sqlmap": web.sqlmap,
    "observatory": web.observatory,
}
ON_MACHINES = {"lynis", "nmap", "testssl.sh", "dnsviz", "sqlmap"}
"""Those that ansible/audit.yml installs there."""

LOG = STATE / "tools.log"
LOG_WIDTH = 180
"""Of the table where there is no terminal."""


def tools_on_machines(state: str) -> list[Finding]:
    """Install the scanners that run on the machines (`present`), or remove those that were installed (`absent`)."""
    try:
        if not run_playbook("audit.yml", variables={"audit_tools": state}, log=LOG):
            return []
        problem = tail(LOG)
    except subprocess.TimeoutExpired as error:
        problem = f"it takes longer than {error.timeout:.0f} s"
    return [Finding("scanners", "machines", f"failed: they are not {state}; see {LOG}\n{problem}", Level.ERROR)]


def scan(site: Site, tools: Sequence[str]) -> list[Finding]:
    findings: list[Finding] = []
    for tool in tools:
        started = time.monotonic()
        print(f"==> {tool}", end="", file=sys.stderr, flush=True)
        findings += guarded(tool, "-", partial(SCANNERS[tool], site))
        print(f" {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return findings


def outside(lab: Lab) -> list[str]:
    """Addresses that would be scanned although they are not in the lab's own network."""
    addresses = {*(box.address for box in lab), *(box.machine.ssh_address for box in lab), *lab.www_addresses}
    return sorted(address for address in addresses if not address.startswith(f"{lab.vars['lab_subnet']}."))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCANNERS, default=list(SCANNERS), metavar="TOOL")
    parser.add_argument("--all", action="store_true", help="also show findings of level low")
    parser.add_argument("--extra-vars", metavar="@FILE", help="that the lab was provisioned with")
    options = parser.parse_args(arguments)
    variables = Path(options.extra_vars.removeprefix("@")) if options.extra_vars else None
    if variables and not variables.is_file():
        parser.error(f"there is no file {variables}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    overrides: Any = (
        DataLoader().load_from_file(str(variables.resolve()), trusted_as_template=True) if variables else None
    )
    lab = Lab(Inventory.load(overrides=overrides))
    try:
        if not lab.is_for_breaking:
            print(f"error: {SERVERS_IN_USE}", file=sys.stderr)
            return 2
        if elsewhere := outside(lab):
            print(f"error: these addresses are not the lab's: {', '.join(elsewhere)}", file=sys.stderr)
            return 2
        applying = [one for one in accepted.read() if one.applies(lab.tier("frontends")[0].role("nginx"))]
        raw = STATE / "raw"
        shutil.rmtree(raw, ignore_errors=True)
        raw.mkdir(parents=True, mode=0o700)
        LOG.unlink(missing_ok=True)
        findings, needed = [], bool(ON_MACHINES & set(options.only))
        try:
            findings += tools_on_machines("present") if needed else []
            findings += [] if findings else scan(Site(lab, raw), options.only)
        finally:
            findings += tools_on_machines("absent") if needed else []
    except KeyboardInterrupt:
        return 130
    finally:
        lab.close()
    judged, unused = accepted.accept(findings, applying)
    (STATE / "findings.json").write_text(json.dumps(report.as_json(judged, unused), indent=1), encoding="utf-8")
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    console.print(report.table(judged, unused, options.all))
    console.print(escape(f"{report.summary(judged)}. All of it: {STATE / 'findings.json'}"))
    return int(any(finding.is_failing for finding in judged))


if __name__ == "__main__":
    sys.exit(main())
