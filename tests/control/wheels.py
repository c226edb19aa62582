"""The locked wheels for a machine that does not reach a package index."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

from lab.inventory import ROOT

TOOLS, APP = ROOT / "requirements.txt", ROOT / "app" / "requirements.txt"
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


def download(folder: Path, python: str, machine: str) -> None:
    """Fill `folder` with the wheels of both locks for Linux, for a Python such as 3.13.5 and a machine such as x86_64.

    pip evaluates a lock's conditions for the Python that it runs on, so they are evaluated here.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "platform_machine": machine,
    }
    tools, _ = split(TOOLS.read_text(encoding="utf-8"), environment)
    app, others = split(APP.read_text(encoding="utf-8"), environment)
    chosen = others | app | tools  # the app's release may contain packages whose condition does not hold
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(chosen.values()), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    target = ["--implementation=cp", f"--python-version={python}", *(f"--platform={p}_{machine}" for p in PLATFORMS)]
    locked = ["--require-hashes", "--only-binary=:all:", f"--dest={folder}", f"--requirement={requirements}"]
    subprocess.run([*pip, *target, *locked], check=True)


def split(lock: str, environment: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The lock's entries by name, without their conditions: those that apply in `environment`, and the others."""
    applies: dict[str, str] = {}
    others: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        first, backslash, hashes = entry.partition(" \\\n")
        if first.startswith("#"):
            continue
        requirement = Requirement(first)
        holds = requirement.marker is None or requirement.marker.evaluate(environment)
        (applies if holds else others)[requirement.name] = f"{first.partition(' ;')[0]}{backslash}{hashes}"
    return applies, others
