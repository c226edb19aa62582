"""Scanners that read: bandit the project's Python, gixy the configuration of each frontend's nginx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from audit.finding import Finding, Level, ScanError, guarded
from audit.programs import python_tool, run, run_on
from audit.site import Site
from lab.machines import Box

SOURCES = ["app/revezamento", "lab", "audit", "bench", "drills", "exercises", "ansible", "providers"]
NGINX_CONF = "/etc/nginx/nginx.conf"
SECONDS = 120

PLANTED = "server { location /planted { return 302 https://planted.example$uri; } }"
PLANTED_CHECK = "http_splitting"
"""A fault that gixy has to find: of a file that it does not understand, it reports nothing."""


def bandit(site: Site) -> Iterator[Finding]:
    command = [python_tool("bandit"), "--quiet", "--recursive", *SOURCES, "--format", "json"]
    yield from read_bandit(site.keep("bandit.json", run(command, SECONDS, (0, 1))))


def read_bandit(text: str) -> Iterator[Finding]:
    report = json.loads(text)
    if report["errors"]:
        raise ScanError(f"{report['errors'][0]['filename']}: {report['errors'][0]['reason']}")
    if not report["metrics"]["_totals"]["loc"]:
        raise ScanError("it found no code")
    yield Finding("bandit", "code", f"{report['metrics']['_totals']['loc']} lines of Python")
    for issue in report["results"]:
        place = f"{issue['filename'].removeprefix('./')}:{issue['line_number']}"
        result = f"{issue['test_id']}: {issue['issue_text']}"
        yield Finding("bandit", place, result, Level[issue["issue_severity"]])


def gixy(site: Site) -> Iterator[Finding]:
    for box in site.lab.tier("frontends"):
        yield from guarded("gixy", box.name, partial(_gixy, site, box))


def _gixy(site: Site, box: Box) -> Iterator[Finding]:
    text = run_on(box, f"cat {NGINX_CONF}", SECONDS, root=True)
    control = _gixy_report(site, f"{box.name}-planted", planted(text))
    if PLANTED_CHECK not in {issue["plugin"] for issue in json.loads(control)}:
        raise ScanError(f"it does not understand {NGINX_CONF}: it missed a fault that was planted there")
    yield from read_gixy(_gixy_report(site, box.name, text), box.name)


def planted(text: str) -> str:
    """The configuration with another server, which has a fault."""
    before, _, after = text.rpartition("}")
    return f"{before}{PLANTED}\n}}{after}"


def _gixy_report(site: Site, name: str, text: str) -> str:
    site.keep(f"{name}.nginx.conf", text)
    command = [python_tool("gixy"), "--disable-includes", "--format", "json", site.raw / f"{name}.nginx.conf"]
    return site.keep(f"gixy-{name}.json", run(command, SECONDS, (0, 1)))


def read_gixy(text: str, target: str) -> Iterator[Finding]:
    issues = json.loads(text)
    yield Finding("gixy", target, f"{NGINX_CONF} was read")
    for issue in issues:
        yield Finding("gixy", target, f"{issue['plugin']}: {issue['summary']}", Level[issue["severity"]])
