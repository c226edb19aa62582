"""Lets this computer trust the lab's certificate authority: `make trust` explains, INSTALL=1 does it, UNDO=1 undoes it.

Programs such as curl use the distribution's list. Chromium, Chrome and Firefox have lists of their own, in databases
of their user that `certutil` changes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from lab.inventory import ROOT

AUTHORITY = Path(".lab/ca/ca.crt")
NICKNAME = "Revezamento lab CA"
SYSTEM = Path("/usr/local/share/ca-certificates/revezamento-lab.crt")

DATABASES = [
    ".pki/nssdb",  # Chromium and Chrome, until version 145
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
]
"""Where browsers keep their lists, below the user's home."""

EXPLANATION = """\
{path} is the certificate authority of this lab. The frontends have a certificate from it.
  SHA-256     {fingerprint}
  valid for   {permitted}; browsers believe it nothing else

To trust it on this computer, in its browsers and for programs such as curl:
  make trust INSTALL=1    asks for sudo's password if sudo needs one
  make trust UNDO=1       before make clean, which deletes the authority

By hand, or on another computer, with a copy of that file:
  Debian, Ubuntu    sudo cp {path} {system} && sudo update-ca-certificates
  Chromium          chrome://certificate-manager, Custom, Installed by you: import it under Trusted Certificates
  Firefox           Settings, Privacy & Security, View Certificates, Authorities: import it for websites
  once, with curl   curl --cacert {path} …
"""


def databases(home: Path) -> Iterator[Path]:
    """The databases of the browsers that this user has started."""
    for pattern in DATABASES:
        yield from sorted(file.parent for file in home.glob(f"{pattern}/cert9.db"))


def explanation(authority: x509.Certificate) -> str:
    digest = authority.fingerprint(SHA256()).hex(":").upper()
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = ", ".join(str(subtree.value) for subtree in constraints.permitted_subtrees or ())
    return EXPLANATION.format(path=AUTHORITY, system=SYSTEM, fingerprint=digest, permitted=permitted)


def as_root(*command: str) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL)


def certutil(database: Path, *arguments: str) -> bool:
    command = ["certutil", "-d", f"sql:{database}", *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def install(home: Path) -> None:
    """Trust it everywhere. Safe to repeat; a former authority of the lab is replaced."""
    as_root("install", "-m", "644", str(AUTHORITY), str(SYSTEM))
    as_root("update-ca-certificates")
    print(f"{SYSTEM}: programs such as curl trust it")
    for database in databases(home):
        certutil(database, "-D", "-n", NICKNAME)
        added = certutil(database, "-A", "-n", NICKNAME, "-t", "C,,", "-i", str(AUTHORITY))
        print(f"{database}: {'the browser trusts it after a restart' if added else 'could not be changed'}")


def undo(home: Path) -> None:
    """Trust it nowhere. Safe to repeat, also without the authority's file."""
    as_root("rm", "-f", str(SYSTEM))
    as_root("update-ca-certificates", "--fresh")
    print(f"{SYSTEM}: removed")
    for database in databases(home):
        if certutil(database, "-D", "-n", NICKNAME):
            print(f"{database}: removed")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make trust", description=__doc__)
    parser.add_argument("action", choices=["explain", "install", "undo"])
    action = parser.parse_args(arguments).action
    os.chdir(ROOT)
    if action != "undo" and not AUTHORITY.exists():
        remedy = "Set nginx_tls: lab_ca in the inventory (docs/production.md, TLS), then make provision."
        print(f"error: there is no {AUTHORITY}, so the lab speaks plain HTTP. {remedy}", file=sys.stderr)
        return 1
    if action == "explain":
        print(explanation(x509.load_pem_x509_certificate(AUTHORITY.read_bytes())), end="")
        return 0
    if any(databases(Path.home())) and not shutil.which("certutil"):
        print("error: browsers need certutil. Next: sudo apt install libnss3-tools, then again", file=sys.stderr)
        return 1
    (install if action == "install" else undo)(Path.home())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
