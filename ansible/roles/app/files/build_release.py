#!/usr/bin/env python3
"""Build one release of the app for the Python version of a guest, on the control side.

    build_release.py SOURCE OUTPUT PYTHON MACHINE

SOURCE is the folder of the app (pyproject.toml, requirements.txt), PYTHON a version
such as 3.13, MACHINE an architecture such as x86_64. Downloads the locked wheels,
builds the app's own wheel and packs them, with a lock file for all of them, into
OUTPUT/<release>-py<PYTHON>-<MACHINE>.tar, unless it exists. Prints one JSON
object: {"release": str, "archive": str, "built": bool}.

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


def pip(*arguments: str) -> None:
    """Run this interpreter's pip with its output on stderr; exit if it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise SystemExit(f"error: {' '.join(command)} failed; see its output above")


def fill_wheelhouse(source: Path, python: str, machine: str, wheelhouse: Path) -> None:
    """Put every locked wheel, the app's own wheel and a lock file for all of them into `wheelhouse`."""
    platforms = [f"--platform={name}_{machine}" for name in PLATFORMS]
    lock = source / "requirements.txt"
    everything = wheelhouse.parent / "everything.txt"
    everything.write_text(unconditional(lock.read_text()))
    pip(
        *("download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={python}", *platforms),
        *("--dest", str(wheelhouse), "--requirement", str(everything)),
    )
    # Build from a copy, so that nothing is left in the source tree.
    copy = wheelhouse.parent / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "tests", "web"))
    pip(
        *("wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(wheelhouse), str(copy)),
    )
    (own,) = wheelhouse.glob("revezamento-*.whl")
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    name, version = own.name.split("-")[:2]
    (wheelhouse / "requirements.txt").write_text(
        f"{lock.read_text()}\n{name}=={version} --hash=sha256:{digest}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Build one release of the app for a guest.")
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("python")
    parser.add_argument("machine")
    options = parser.parse_args()

    release = release_name(options.source)
    archive = options.output / f"{release}-py{options.python}-{options.machine}.tar"
    built = not archive.exists()
    if built:
        options.output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.output) as temporary:
            wheelhouse = Path(temporary) / "wheelhouse"
            wheelhouse.mkdir()
            fill_wheelhouse(options.source, options.python, options.machine, wheelhouse)
            unfinished = Path(temporary) / "release.tar"
            with tarfile.open(unfinished, "w") as tar:
                tar.add(wheelhouse, "wheelhouse")
            os.replace(unfinished, archive)
    print(json.dumps({"release": release, "archive": str(archive), "built": built}))


if __name__ == "__main__":
    main()
