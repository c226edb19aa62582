"""What somebody could do who has taken over a daemon: as little as systemd can enforce.

A copy of each unit, with its user, capabilities and sandbox, runs a probe in place of the daemon.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from lab.machines import Box, Lab

EXPOSURE = {
    "revezamento.service": 1.5,
    "nginx.service": 2.5,
    "redis-server.service": 2.5,
    "redis-sentinel.service": 2.5,
    "redis-watch.service": 2.5,
    "named.service": 3.5,
    "mariadb.service": 3.5,
    "keepalived.service": 5.5,
}
"""The highest level that `systemd-analyze security` may report: 0 is safe, 10 is a unit without any sandbox."""

OWN_FOLDERS = {
    "nginx.service": "/var/lib/nginx",
    "redis-server.service": "/var/lib/redis",
    "redis-sentinel.service": "/var/lib/redis-sentinel",
    "redis-watch.service": "/var/lib/redis",
    "named.service": "/var/cache/bind",
    "mariadb.service": "/var/lib/mysql",
    "keepalived.service": "/run",
}
NEEDS = {"keepalived.service": {"raw socket", "kernel setting"}}
"""What a daemon cannot do without."""

PROBE = """\
import json, os, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

def command(*words):
    subprocess.run(words, check=True, capture_output=True)

def write(path):
    open(path, "w").close()
    os.remove(path)

def connect(address, port):
    socket.create_connection((address, port), 1).close()

asked = json.load(open(sys.argv[1]))
attempts = {
    "write /etc": lambda: write("/etc/probe"),
    "read /home": lambda: os.listdir(asked["home"]),
    "mount": lambda: command("mount", "-t", "tmpfs", "none", "/mnt"),
    "new namespace": lambda: command("unshare", "--user", "true"),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "kernel setting": lambda: open("/proc/sys/kernel/printk_delay", "r+").close(),
    "own folder": lambda: write(asked["folder"] + "/.probe"),
}
for address, port in asked["peers"]:
    attempts[f"connect to {address}:{port}"] = lambda peer=(address, port): connect(*peer)

def succeeds(attempt):
    try:
        attempt()
        return True
    except (OSError, subprocess.CalledProcessError):
        return False

with ThreadPoolExecutor(len(attempts)) as pool:
    print(json.dumps([name for name, done in zip(attempts, pool.map(succeeds, attempts.values())) if done]))
"""
IN_PLACE_OF_THE_DAEMON = """
[Service]
Type=oneshot
Restart=no
PIDFile=
RuntimeDirectory=
ExecStartPre=
ExecStartPost=
ExecStop=
ExecReload=
ExecStart=
ExecStart=/usr/bin/python3 /run/probe/probe.py /run/probe/asked.json
StandardOutput=truncate:/run/probe/done.json
StandardError=journal
TimeoutStartSec=60
"""
EXECUTABLE = "ExecPaths=/usr/bin /usr/lib\n"
"""Debian's Redis may execute itself only; that would stop the probe before it starts."""


def services(box: Box) -> list[str]:
    return [unit for unit in box.units if unit.endswith(".service")]


def probe(box: Box, unit: str, sandbox: str, peers: Sequence[tuple[str, int]] = ()) -> set[str]:
    """What the probe could do in a copy of the unit's sandbox."""
    home = box.output("printf %s ~")
    asked: dict[str, Any] = {"home": home, "folder": OWN_FOLDERS.get(unit, "/nowhere"), "peers": peers}
    files = {
        "/run/probe/probe.py": PROBE,
        "/run/probe/asked.json": json.dumps(asked),
        "/run/systemd/system/probe.service": sandbox + IN_PLACE_OF_THE_DAEMON,
    }
    writes = [f"printf %s {shlex.quote(text)} >{path}" for path, text in files.items()]
    try:
        box.root_output(" && ".join(["umask 022", "mkdir -p /run/probe", *writes, "systemctl daemon-reload"]))
        started = box.root("systemctl start probe.service")
        assert started.succeeded, f"{unit} on {box.name}: {box.journal('probe.service')}"
        return set(json.loads(box.root_output("cat /run/probe/done.json")))
    finally:
        box.root("rm -rf /run/probe /run/systemd/system/probe.service; systemctl daemon-reload")


def strangers(lab: Lab, box: Box) -> list[tuple[str, int]]:
    """TCP services of other machines that this machine has no business with."""
    return [
        (other.address, port)
        for group, tier in lab.tiers.items()
        for other in lab.tier(group)[:1]
        if group not in box.tiers and other.address != box.address
        for service in tier["serves"]
        if service["proto"] == "tcp" and not {"anyone", *box.tiers} & set(service["from"])
        for port in service["ports"]
    ]


def one_of_each(lab: Lab) -> list[Box]:
    """The first server of each tier; the others have the same units."""
    return list({box.name: lab[box.name] for tier in lab.tiers for box in lab.tier(tier)[:1] if box.units}.values())


def test_the_exposure_is_low(lab: Lab) -> None:
    """Measured by systemd itself, so a setting that it ignores does not count."""

    def levels(box: Box) -> dict[str, float]:
        rating = {unit: box.root_output(f"systemd-analyze security --no-pager {unit}") for unit in services(box)}
        return {unit: float(text.splitlines()[-1].split(": ")[1].split()[0]) for unit, text in rating.items()}

    found = {
        unit: level for levels in lab.everywhere(levels, one_of_each(lab)).values() for unit, level in levels.items()
    }
    assert found.keys() <= EXPOSURE.keys()
    assert {unit: level for unit, level in found.items() if level > EXPOSURE[unit]} == {}


def test_a_daemon_reaches_nothing_outside(lab: Lab) -> None:
    """No file of the system or of a person, no setting of the kernel, no other machine's service."""

    def could(box: Box) -> dict[str, set[str]]:
        peers = strangers(lab, box)
        sandboxes = {unit: box.root_output(f"systemctl cat {unit}") for unit in services(box)}
        return {unit: probe(box, unit, f"{text}\n[Service]\n{EXECUTABLE}", peers) for unit, text in sandboxes.items()}

    found = {unit: done for units in lab.everywhere(could, one_of_each(lab)).values() for unit, done in units.items()}
    expected = {unit: NEEDS.get(unit, set()) | ({"own folder"} if unit in OWN_FOLDERS else set()) for unit in found}
    assert found == expected


def test_the_probe_succeeds_without_a_sandbox(lab: Lab) -> None:
    """A probe that fails for another reason would prove nothing."""
    box = lab.tier("backends")[0]
    redis = lab.tier("redis")[0]
    could = probe(box, "nginx.service", "", [(redis.address, int(lab.vars["redis_port"]))])
    needed = {"write /etc", "read /home", "mount", "new namespace", "raw socket", "kernel setting"}
    if missing := needed - could:
        pytest.fail(f"the machine itself does not allow: {', '.join(sorted(missing))}")
    assert f"connect to {redis.address}:{lab.vars['redis_port']}" in could
