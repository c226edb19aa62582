"""What a bench installs and runs on the machines of the lab, and takes away again.

Everything is in `FOLDER`, in units `bench-*` that a reboot forgets, and in packages that were not there before. If this
process is killed, the machines clean up by themselves after a while.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.units import FOLDER, UNITS, app_units, peer_units, proxy_files
from drills.fault import arm, disarm, primary
from lab.inventory import ROOT
from lab.machines import SERVERS_IN_USE, Box, Lab

HERE = Path(__file__).parent
PEER = HERE / "peer"
SCRIPT_PATH = f"{FOLDER}/wrk.lua"
DEAD_MAN_SECONDS = 1800
"""When the machines clean up by themselves, for what the bench needs besides its measuring."""


WRITE = """
import json, os, sys
for path, text in json.load(sys.stdin).items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
print("null")
"""
LOCK = f"{FOLDER}.lock"
"""Held by whatever installs or removes: apt goes on where its SSH connection was interrupted."""

CLEAN = f"""
systemctl stop 'bench-*.service'
exec 9>{LOCK}
flock 9
if [ -s {FOLDER}/packages ]; then
    DEBIAN_FRONTEND=noninteractive apt-get purge -qq $(cat {FOLDER}/packages) >/dev/null || exit
fi
rm -rf {FOLDER} {UNITS}/bench-*.service /var/log/nginx/bench-*.log /run/bench-*
systemctl daemon-reload
systemctl reset-failed 'bench-*.service' 2>/dev/null
true
"""


def install(*packages: str) -> str:
    """The script that installs packages, after it has recorded which are new with them; others it may only update."""
    names = " ".join(packages)
    return f"""
set -e
export DEBIAN_FRONTEND=noninteractive
exec 9>{LOCK}
flock 9
mkdir -p {FOLDER}
apt-get update -qq
apt-get install -qq --simulate --no-install-recommends {names} >{FOLDER}/plan
sed -n 's/^Inst \\([^ ]*\\) (.*/\\1/p' {FOLDER}/plan >{FOLDER}/packages
apt-get install -qq --no-install-recommends -o APT::Keep-Downloaded-Packages=false {names} >/dev/null
"""


def refuse(lab: Lab) -> None:
    """Exit if this is no lab, or one whose machines do not let the bench's own daemons take part."""
    if not lab.is_for_breaking:
        sys.exit(f"error: {SERVERS_IN_USE}")
    if lab.vars["nftables_policy"] == "closed":
        sys.exit("error: with nftables_policy: closed, no machine reaches what the bench runs beside the lab's daemons")
    if lab.vars["machine_tls_is_on"]:
        sys.exit("error: with machine_tls: true, the peers cannot reach Redis and MySQL. Remedy: without it")


def begin(box: Box, seconds: float = 0) -> None:
    """Remove what a killed run has left, and make the machine clean up by itself if this one is killed.

    Args:
        seconds: how long this one is going to measure.
    """
    box.root_output(CLEAN)
    box.python(WRITE, {f"{FOLDER}/clean": CLEAN}, root=True)
    # A file, because systemd-run would expand the ${…} of the commands themselves.
    arm(box, f"sh {FOLDER}/clean", DEAD_MAN_SECONDS + seconds)


def end(box: Box) -> None:
    """Remove everything."""
    box.root_output(CLEAN)
    disarm(box)


@dataclass
class Stage:
    """The machines, prepared.

    Attributes:
        has_peer: whether the peers are there as well.
    """

    lab: Lab
    has_peer: bool
    _running: dict[str, str] = field(default_factory=dict)

    def run(self, unit: str, backends: Sequence[Box]) -> bool:
        """Run a unit on these backends and nothing else of the bench on any; return whether it was started now."""
        wrong = [box for box in self.lab.tier("backends") if self._running.get(box.name, unit) != unit]
        self.lab.everywhere(lambda box: box.root(f"systemctl stop {self._running.pop(box.name)}"), wrong)
        idle = [box for box in backends if box.name not in self._running]
        self.lab.everywhere(lambda box: box.start(unit), idle)
        self._running |= dict.fromkeys((box.name for box in idle), unit)
        return bool(idle)


@contextmanager
def stage(lab: Lab, counts: Sequence[int], workers: int, seconds: float) -> Iterator[Stage]:
    """Prepare the machines for these numbers of workers and so many seconds; clean up afterwards."""
    frontend, client = lab.tier("frontends")[0], lab.tier("clients")[0]
    backends = lab.tier("backends")
    concerned = [*backends, frontend, client]
    archive = packed_peer()
    secret = secrets.token_hex(16)
    redis, mysql = primary(lab.tier("redis")), lab.tier("mysql")[0]

    def prepare(box: Box) -> None:
        files = {SCRIPT_PATH: (HERE / "wrk.lua").read_text(encoding="utf-8")}
        packages = ["wrk"] if box in (frontend, client) else []
        if box == frontend:
            for number in range(1, len(backends) + 1):
                files |= proxy_files(frontend, backends[:number])
        if box in backends:
            units = app_units(box, counts, workers)
            files[f"{FOLDER}/bare.py"] = (HERE / "bare.py").read_text(encoding="utf-8")
            if archive:
                units |= peer_units(box, counts, redis, mysql, secret)
                files[f"{FOLDER}/peer/server.js"] = (PEER / "server.js").read_text(encoding="utf-8")
                packages.append("nodejs")
            files |= {f"{UNITS}/{name}": text for name, text in units.items()}
        if packages:
            box.root_output(install(*packages))
        box.python(WRITE, files, root=True)
        if archive and box in backends:
            unpack(box, archive)
        box.root_output("systemctl daemon-reload")
        if box == frontend:
            box.start(*(f"bench-nginx-{number}.service" for number in range(1, len(backends) + 1)))

    try:
        lab.everywhere(lambda box: begin(box, seconds), concerned)
        lab.everywhere(prepare, concerned)
        yield Stage(lab, has_peer=archive is not None)
    finally:
        lab.everywhere(end, concerned)


def unpack(box: Box, archive: Path) -> None:
    """Unpack the peer's packages on a backend."""
    with archive.open("rb") as file:
        code = box.start_command(f"sudo -n tar -xzf - -C {FOLDER}/peer", stdin=file).wait()
    assert code == 0, f"{box.name}: the packages of the peer cannot be unpacked"


def packed_peer() -> Path | None:
    """The packages of the peer as a .tar.gz, which npm takes from its registry once; None without npm."""
    lock = b"".join((PEER / name).read_bytes() for name in ("package.json", "package-lock.json"))
    archive = ROOT / ".lab" / f"bench-peer-{hashlib.sha256(lock).hexdigest()[:12]}.tar.gz"
    if archive.exists():
        return archive
    if shutil.which("npm") is None:
        print("Express is left out: it needs npm on this computer", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PEER / name, folder)
        npm = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(npm, cwd=folder, check=True)
        part = archive.with_suffix(".part")
        # Also readable on the machines, whatever the umask here.
        tar = ["tar", "-czf", str(part), "--mode=a+rX", "--owner=0", "--group=0", "-C", folder]
        subprocess.run([*tar, "package.json", "node_modules"], check=True)
        part.replace(archive)
    return archive
