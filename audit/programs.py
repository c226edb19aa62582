"""Runs programs within a time limit, here and on machines; installs those of this computer from the locks."""

from __future__ import annotations

import hashlib
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Container, Mapping, Sequence
from os import environ
from pathlib import Path

from audit.finding import ScanError
from lab.inventory import ROOT
from lab.machines import Box

HERE = Path(__file__).parent
STATE = ROOT / ".lab" / "audit"
INSTALL_SECONDS = 600


def run(
    command: Sequence[object],
    seconds: float,
    statuses: Container[int] = (0,),
    *,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The output of a program on this computer; its words may be texts and paths.

    Raises:
        ScanError: it is missing, takes longer, or ends with another status.
    """
    name = Path(str(command[0])).name
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise ScanError(f"{name} is not installed here") from None
    except subprocess.TimeoutExpired:
        raise ScanError(f"{name} takes longer than {seconds:.0f} s") from None
    return _checked(name, done.returncode, done.stdout, done.stderr, statuses)


def run_on(box: Box, script: str, seconds: float, statuses: Container[int] = (0,), *, root: bool = False) -> str:
    """The output of a script of bash on a machine, where it leaves processor time to others.

    Raises:
        ScanError: it takes longer, or ends with another status.
    """
    command = f"nice -n 19 timeout --kill-after=10 {seconds:.0f} bash -c {shlex.quote(f'set -o pipefail; {script}')}"
    done = (box.root if root else box.run)(command)
    if done.rc in (124, 137):
        raise ScanError(f"it takes longer than {seconds:.0f} s")
    return _checked("it", done.rc, done.stdout, done.stderr, statuses)


def _checked(name: str, status: int, out: str, err: str, statuses: Container[int]) -> str:
    if status not in statuses:
        lines = err.strip().splitlines() or out.strip().splitlines() or ["it printed nothing"]
        shown = " | ".join(lines[-3:])
        raise ScanError(f"{name} ended with status {status}: {shown[:600]}")
    return out


def python_tool(name: str) -> Path:
    """A scanner from PyPI, in the environment that requirements.txt locks."""
    lock, folder = HERE / "requirements.txt", STATE / "python"
    if _is_outdated(folder, lock, platform.python_version()):
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder], INSTALL_SECONDS)
        exact = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", lock]
        try:
            run([Path(sys.executable).with_name("uv"), "pip", *exact, "--python", folder], INSTALL_SECONDS)
        except ScanError:  # pip alone knows pip's settings, such as a private index
            run([folder / "bin" / "python", "-m", "pip", *exact], INSTALL_SECONDS)
        _stamp(folder, lock, platform.python_version())
    return folder / "bin" / name


def node_package(name: str) -> Path:
    """The folder of a package from npm, as package-lock.json locks it; no script of a package runs."""
    lock, folder = HERE / "package-lock.json", STATE / "node"
    if not shutil.which("npm"):
        raise ScanError("npm is not installed here. Remedy: sudo apt install nodejs npm (Node 20 or newer)")
    version = run(["node", "--version"], 10)
    if _is_outdated(folder, lock, version):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in (lock, HERE / "package.json"):
            shutil.copy(file, folder)
        run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"], INSTALL_SECONDS, cwd=folder
        )
        _stamp(folder, lock, version)
    return folder / "node_modules" / name


def _is_outdated(folder: Path, lock: Path, version: str) -> bool:
    stamp = folder / ".locked"
    return not stamp.exists() or stamp.read_text(encoding="utf-8") != _digest(lock, version)


def _stamp(folder: Path, lock: Path, version: str) -> None:
    (folder / ".locked").write_text(_digest(lock, version), encoding="utf-8")


def _digest(lock: Path, version: str) -> str:
    return hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()
