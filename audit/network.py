"""Scanners of the network, which run on the client: nmap finds open ports, testssl.sh looks at HTTPS, dnsviz at DNS."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from audit.finding import Finding, Level, ScanError
from audit.programs import run_on
from audit.site import Site
from drills.fault import arm, disarm
from lab.machines import Box
from lab.reach import Host, Lists

NMAP_SECONDS = 1200
WELL_KNOWN_UDP = {53, 67, 68, 69, 111, 123, 137, 161, 500, 514, 1900, 5353}
FIREWALL = "nftables-revezamento.service"

TESTSSL_SECONDS = 900
TESTSSL_LEVELS = {
    "LOW": Level.LOW,
    "MEDIUM": Level.MEDIUM,
    "WARN": Level.MEDIUM,
    "HIGH": Level.HIGH,
    "CRITICAL": Level.HIGH,
}
"""Its other severities are no findings, apart from FATAL. WARN: a check that was not possible."""

DNSVIZ_SECONDS = 300

Open = Mapping[str, set[str]]
"""The open ports, such as `tcp/80`, by address."""


def nmap(site: Site) -> Iterator[Finding]:
    """Compare every TCP port of the other machines, and common UDP ports, with the list `allow`."""
    client, lab = site.client, site.lab
    targets = {box.address: box for box in lab if box.address != client.address}
    floating = [address for address in lab.www_addresses if address not in targets]
    lists = Lists.of(lab.vars)
    udp = ",".join(str(port) for port in sorted(lists.ports("udp") | WELL_KNOWN_UDP))
    options = "-n -Pn -sS -sU --max-retries 1 --min-rate 5000 --host-timeout 15m -oX -"
    command = f"nmap {options} -p T:1-65535,U:{udp} {shlex.join([*targets, *floating])}"
    with firewall_down(client):
        text = site.keep("nmap.xml", run_on(client, command, NMAP_SECONDS, root=True))
    found = read_nmap(text, [*targets, *floating])
    sender = Host(client.address, client.tiers)
    for address, ports in found.items():
        tiers = targets[address].tiers if address in targets else ("frontends",)
        name = targets[address].name if address in targets else address
        yield from compare(name, ports, sender, Host(address, tiers), lists)


@contextmanager
def firewall_down(client: Box) -> Iterator[None]:
    """Stop the client's own firewall, which would stop what the others have to refuse.

    If this process is killed, the client starts it by itself after a while.
    """
    start = f"systemctl start {FIREWALL}"
    arm(client, start, NMAP_SECONDS + 60)
    client.root_output(f"systemctl stop {FIREWALL}")
    try:
        yield
    finally:
        client.root_output(start)
        disarm(client)


def read_nmap(text: str, targets: Sequence[str]) -> Open:
    report = ElementTree.fromstring(text)  # of our own machine's nmap
    finished = report.find("runstats/finished")
    if finished is None or finished.get("exit") != "success":
        raise ScanError("its report is incomplete")
    found: dict[str, set[str]] = {}
    for host in report.iterfind("host"):
        address = host.find("address[@addrtype='ipv4']")
        ports = host.find("ports")
        if address is None or ports is None or host.get("timedout") == "true":
            raise ScanError(f"it did not finish {'a machine' if address is None else address.get('addr')}")
        found[str(address.get("addr"))] = {
            f"{port.get('protocol')}/{port.get('portid')}"
            for port in ports.iterfind("port")
            if (state := port.find("state")) is not None and state.get("state") == "open"
        }
    if missing := set(targets) - set(found):
        raise ScanError(f"its report lacks {', '.join(sorted(missing))}")
    return found


def compare(name: str, ports: set[str], sender: Host, target: Host, lists: Lists) -> Iterator[Finding]:
    """The open ports of a machine that no rule opens to the sender, whatever the policy is."""
    declared = replace(lists, policy="closed")
    allowed = {port for port in ports if declared.enters(sender, target, port)}
    yield Finding("nmap", name, f"open, as declared: {', '.join(sorted(allowed)) or 'nothing'}")
    for port in sorted(ports - allowed):
        yield Finding("nmap", name, f"{port} is open, but no rule of `allow` says so", Level.HIGH)


def testssl(site: Site) -> Iterator[Finding]:
    if not site.is_https:
        yield Finding("testssl.sh", "site", "not run: the site speaks plain HTTP", Level.HIGH)
        return
    text = site.keep("testssl.json", run_on(site.client, testssl_script(site), TESTSSL_SECONDS))
    yield from read_testssl(text)


def testssl_script(site: Site) -> str:
    authority = site.client.role("client")["__client_authority"] if site.lab.ca_file else ""
    words = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", site.address]
    words += ["--connect-timeout", "5", "--openssl-timeout", "5", *(["--add-ca", authority] if authority else [])]
    site_name = f"https://{site.lab.site_name}:{site.lab.site_port}/"
    # Its status says how much it found.
    return (
        f"export TMPDIR=$(mktemp -d); {shlex.join(words)} --jsonfile $TMPDIR/report.json {shlex.quote(site_name)} >&2; "
        "cat $TMPDIR/report.json || exit; rm -r $TMPDIR"
    )


def read_testssl(text: str) -> Iterator[Finding]:
    checks = json.loads(text)
    for check in checks:
        if check["severity"] == "FATAL":
            raise ScanError(check["finding"])
    if not any(check["id"] == "scanTime" and check["finding"].isdigit() for check in checks):
        raise ScanError("its report is incomplete")
    yield Finding("testssl.sh", "site", f"{len(checks)} checks")
    for check in checks:
        if check["severity"] in TESTSSL_LEVELS:
            result = f"{check['id']}: {' '.join(check['finding'].split())}"
            yield Finding("testssl.sh", "site", result, TESTSSL_LEVELS[check["severity"]])


def dnsviz(site: Site) -> Iterator[Finding]:
    names = [site.lab.domain, site.lab.site_name]
    text = run_on(site.client, dnsviz_script(names, site.lab.tier("dns")), DNSVIZ_SECONDS)
    yield from read_dnsviz(site.keep("dnsviz.json", text), names)


def dnsviz_script(names: Sequence[str], servers: Sequence[Box]) -> str:
    """Ask the servers, and none above: nobody has delegated the domain to them."""
    domain = names[0]
    given = ",".join(f"{box.name}.{domain}={box.address}" for box in servers)
    probe = ["dnsviz", "probe", "-4", "-d", "1", "-A", "-x", f"{domain}+:{given}", *names]
    return f"{shlex.join(probe)} | dnsviz grok -l info"


def read_dnsviz(text: str, names: Sequence[str]) -> Iterator[Finding]:
    report = json.loads(text)
    for name in names:
        found = report.get(f"{name}.", {})
        if found.get("status") != "NOERROR":
            raise ScanError(f"{name} has the status {found.get('status')}")
        yield Finding("dnsviz", name, f"{len(found['queries'])} queries")
        problems = {(level, f"{one['code']}: {one['description']}") for level, one in _problems(found)}
        for level, result in sorted(problems):
            yield Finding("dnsviz", name, result, level)


def _problems(value: Any) -> Iterator[tuple[Level, Mapping[str, str]]]:
    """All errors and warnings, wherever they are in the report."""
    levels = {"error": Level.HIGH, "errors": Level.HIGH, "warning": Level.MEDIUM, "warnings": Level.MEDIUM}
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key in levels:
            yield from ((levels[key], problem) for problem in inner)
        yield from _problems(inner)
    if isinstance(value, list):
        for inner in value:
            yield from _problems(inner)
