"""Checks a rendered file: with its task's `validate` command, with systemd, or with a parser below."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re
import shlex
from collections.abc import Callable, Iterable
from functools import cache
from html.parser import HTMLParser
from pathlib import PurePosixPath

from tests.certificates import self_signed
from tests.templates.rendered import File
from tests.workbench import Workbench

UNITS = "/etc/systemd/system/"
GLIBC_NAMESERVERS = 3  # glibc ignores any further ones


def complaint(bench: Workbench, file: File, others: Iterable[File]) -> str:
    """Why a file is invalid, given the other files of its role; '' if it is valid."""
    beside = {other.dest: other.text for other in others if other.src not in PARSERS} | {file.dest: file.text}
    if file.role in ("nginx", "redis", "sentinel"):
        beside |= tls_files()
    if file.validate:
        run = bench.run(shlex.split(file.validate.replace("%s", file.dest)), beside)
        return f"{file.dest}: {file.validate}\n{run.stdout}{run.stderr}" if run.returncode else ""
    if file.dest.startswith(UNITS):
        units = tuple(sorted((dest, text) for dest, text in beside.items() if dest.startswith(UNITS)))
        return _unit(bench, file.dest, units)
    if file.src not in PARSERS:
        return f"{file.dest}: nothing checks it. Add `validate:` to its task in role {file.role}, or a parser here."
    try:
        PARSERS[file.src](file.text)
    except (ValueError, configparser.Error) as error:
        return f"{file.dest}: {error}"
    return ""


@cache
def tls_files() -> dict[str, str]:
    """What tasks put beside the configuration for TLS: certificates and their keys, and keys for tickets."""
    pair = self_signed(["www.meutrabalho.com.br"])
    content = {"site.crt": pair.certificate, "site.key": pair.key, "site.pem": pair.certificate + pair.key}
    keys = {"tickets.current": "a" * 80, "tickets.previous": "b" * 80}
    machine = {"ca.crt": pair.certificate, "machine.crt": pair.certificate, "machine.key": pair.key}
    site = {f"/etc/nginx/tls/{name}": text for name, text in (content | keys).items()}
    return site | {f"/etc/revezamento-tls/{name}": text for name, text in machine.items()}


@cache
def _unit(bench: Workbench, dest: str, units: tuple[tuple[str, str], ...]) -> str:
    """What systemd reports about a unit, or about a drop-in with its unit. Stubs replace missing programs."""
    inside = PurePosixPath(dest.removeprefix(UNITS)).parts[0]
    programs = re.findall(r"^Exec\w+=[-@:+!|]*(/\S+)", "\n".join(text for _, text in units), re.MULTILINE)
    stubs = "".join(f"test -e {program} || install -D -m 755 /bin/true {program}; " for program in programs)
    verify = f"{stubs} systemd-analyze verify --man=no --recursive-errors=one {inside.removesuffix('.d')}"
    run = bench.run(["sh", "-c", verify], dict(units))
    return f"{dest}: {run.stdout}{run.stderr}" if run.returncode or inside in run.stderr else ""


def _resolv_conf(text: str) -> None:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    servers = [ipaddress.ip_address(line[1]) for line in lines if line[0] == "nameserver"]
    if not 1 <= len(servers) <= GLIBC_NAMESERVERS:
        raise ValueError(f"{len(servers)} name servers; glibc uses the first {GLIBC_NAMESERVERS}")
    if unknown := {line[0] for line in lines} - {"nameserver", "search", "options"}:
        raise ValueError(f"unknown keywords {unknown}")


def _environment(text: str) -> None:
    """The syntax of EnvironmentFile=: one assignment per line, quoted if it contains spaces."""
    for line in text.splitlines():
        if line and not line.startswith("#") and not re.fullmatch(r'[A-Z_]+=("[^"\\]*"|[^\s"\\]*)', line):
            raise ValueError(f"not an assignment: {line}")


def _ini(text: str) -> None:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.read_string(text)


class _Html(HTMLParser):
    VOID = ("link", "meta", "br", "input", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> has no start tag")


def _html(text: str) -> None:
    page = _Html()
    page.feed(text)
    if page.open or "{" in text:
        raise ValueError(f"not closed: {page.open or 'a brace'}")


# Files that no daemon validates.
PARSERS: dict[str, Callable[[str], object]] = {
    "error.html.j2": _html,
    "error.json.j2": json.loads,
    "journald.conf.j2": _ini,
    "resolv.conf.j2": _resolv_conf,
    "revezamento.env.j2": _environment,
}
