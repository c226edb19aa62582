#!/usr/bin/env python3
"""Build one release of the app for the Python version of a guest, on the control side.

    build_release.py SOURCE OUTPUT PYTHON MACHINE

SOURCE is the folder of the app (pyproject.toml, requirements.txt), PYTHON a version
such as 3.13, MACHINE an architecture such as x86_64. Downloads the locked wheels,
builds the app's own wheel, installs all of them into a folder and packs it as
OUTPUT/<release>-cp<PYTHON>-<MACHINE>.tar.gz, unless that exists: the site-packages of a
virtual environment. Prints one JSON object:
{"release": str, "archive": str, "built": bool}.

The release is named after its content, `<version>-<digest>`, so that the same
sources have the same name on every machine.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

# glibc 2.17 and 2.28: older than any guest's, so these wheels run there.
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


def release_name(source: Path) -> str:
    """The version and the first 8 hex digits of the SHA-256 of everything that is shipped."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    shipped = [source / "pyproject.toml", source / "requirements.txt"]
    shipped += sorted(
        path
        for path in (source / "revezamento").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    digest = hashlib.sha256()
    for path in shipped:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(source)}\0{len(content)}\0".encode() + content)
    return f"{project['version']}-{digest.hexdigest()[:8]}"


def unconditional(lock: str) -> str:
    """The lock without environment markers: pip would evaluate them for its own Python, not the guest's."""
    return re.sub(r" ;.*(?= \\$)", "", lock, flags=re.MULTILINE)


def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same file as root's and readable by all, whoever builds the release and with whatever umask."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def pip(*arguments: str) -> None:
    """Run this interpreter's pip with its output on stderr; exit if it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise SystemExit(f"error: {' '.join(command)} failed; see its output above")


def install(source: Path, python: str, machine: str, packages: Path) -> None:
    """Install every locked wheel and the app's own one into the folder `packages`, for the guest's Python."""
    folder = packages.parent
    lock = folder / "requirements.txt"
    lock.write_text(unconditional((source / "requirements.txt").read_text()))
    # Build from a copy, so that nothing is left in the source tree.
    copy = folder / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "tests", "web"))
    wheel = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    pip(*wheel, str(copy))
    (own,) = folder.glob("revezamento-*.whl")
    target = (
        *("install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-compile", f"--target={packages}"),
        *("--implementation=cp", f"--python-version={python}"),
        *(f"--platform={name}_{machine}" for name in PLATFORMS),
    )
    pip(*target, "--require-hashes", f"--requirement={lock}")
    pip(*target, str(own))
    shutil.rmtree(packages / "bin", ignore_errors=True)  # scripts that start this machine's Python


def main() -> None:
    parser = argparse.ArgumentParser(description="Build one release of the app for a guest.")
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("python")
    parser.add_argument("machine")
    options = parser.parse_args()

    release = release_name(options.source)
    archive = options.output / f"{release}-cp{options.python}-{options.machine}.tar.gz"
    built = not archive.exists()
    if built:
        options.output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.output) as temporary:
            packages = Path(temporary) / "site-packages"
            install(options.source, options.python, options.machine, packages)
            unfinished = Path(temporary) / "release.tar.gz"
            with tarfile.open(unfinished, "w:gz", compresslevel=1) as tar:
                tar.add(packages, ".", filter=readable)
            os.replace(unfinished, archive)
    print(json.dumps({"release": release, "archive": str(archive), "built": built}))


if __name__ == "__main__":
    main()
