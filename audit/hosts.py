"""Scanners of single machines: lynis looks at each from inside, ssh-audit at its SSH server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain

from audit.finding import Finding, Level, ScanError, guarded
from audit.programs import python_tool, run, run_on
from audit.site import Site
from lab.machines import Box

LYNIS_SECONDS = 1200
LYNIS_INDEX = 80
"""The lowest hardening index, of 100, that is good enough."""

LYNIS_REPORT = "/run/revezamento-audit.lynis"
LYNIS = f"""
lynis audit system --quick --quiet --no-colors --no-log --report-file {LYNIS_REPORT} >&2
cat {LYNIS_REPORT} && rm {LYNIS_REPORT}
"""

SSH_SECONDS = 60
SSH_STATUSES = (0, 2, 3)
"""Of ssh-audit: nothing, warnings, failures."""


def lynis(site: Site) -> Iterable[Finding]:
    def scan(box: Box) -> list[Finding]:
        return guarded("lynis", box.name, partial(_lynis, site, box))

    return chain.from_iterable(site.lab.everywhere(scan).values())


def _lynis(site: Site, box: Box) -> Iterator[Finding]:
    text = run_on(box, LYNIS.strip(), LYNIS_SECONDS, root=True)
    return read_lynis(site.keep(f"lynis-{box.name}.dat", text), box.name)


def read_lynis(text: str, target: str) -> Iterator[Finding]:
    lines = [line.partition("=") for line in text.splitlines()]
    values = {name: value for name, _, value in lines}
    if values.get("finish") != "true":
        raise ScanError("its report is incomplete")
    index = int(values["hardening_index"])
    yield Finding("lynis", target, *_judged(index))
    levels = {"warning[]": Level.MEDIUM, "suggestion[]": Level.LOW}
    for name, _, value in lines:
        if name in levels:
            test, text, details, *_ = value.split("|")
            yield Finding(
                "lynis", target, f"{test}: {text}{'' if details in ('', '-') else f' ({details})'}", levels[name]
            )


def _judged(index: int) -> tuple[str, Level]:
    if index < LYNIS_INDEX:
        return f"hardening index {index}, less than {LYNIS_INDEX}", Level.HIGH
    return f"hardening index {index}", Level.INFO


def ssh_audit(site: Site) -> Iterator[Finding]:
    for box in site.lab:
        yield from guarded("ssh-audit", box.name, partial(_ssh_audit, site, box))


def _ssh_audit(site: Site, box: Box) -> Iterator[Finding]:
    port = str(box.vars["ansible_port"]) if "ansible_port" in box.vars else "22"
    command = [python_tool("ssh-audit"), "--json", "--skip-rate-test", "--port", port, box.machine.ssh_address]
    return read_ssh_audit(site.keep(f"ssh-audit-{box.name}.json", run(command, SSH_SECONDS, SSH_STATUSES)), box.name)


def read_ssh_audit(text: str, target: str) -> Iterator[Finding]:
    report = json.loads(text)
    yield Finding("ssh-audit", target, report["banner"]["raw"])
    for cve in report["cves"]:
        yield Finding("ssh-audit", target, str(cve.get("name", cve)), Level.HIGH)
    levels = {"fail": Level.HIGH, "warn": Level.MEDIUM}
    for kind in ("kex", "key", "enc", "mac"):
        if not report[kind]:
            raise ScanError(f"the server offered no algorithm for {kind}")
        for entry in report[kind]:
            for note, level in levels.items():
                for text in entry.get("notes", {}).get(note, []):
                    yield Finding("ssh-audit", target, f"{kind} {entry['algorithm']}: {text}", level)
