#!/usr/bin/env python3
"""The certificate of a frontend, which another machine renews.

    certificate.py begin FILE NAME                     until there is a certificate, one that nobody trusts
    certificate.py fetch FILE NAME COMMAND…            what the command prints, if it is a certificate for that name
    certificate.py reload FILE ADDRESS PORT            nginx serves what is in the file

FILE has the certificate, its chain and its key, so that all of them change at once. `begin` prefers site.crt and
site.key in the same folder, if there are any. Prints `changed` or `unchanged`.
"""

from __future__ import annotations

import argparse
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

END = "-----END CERTIFICATE-----"
SECONDS = 15


def replace(path: Path, content: str, name: str = "") -> bool:
    """Write the file as a whole, for its owner alone, unless nginx or, for that name, browsers would refuse it."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(content)
    try:
        check(temporary, name)
    except ValueError as problem:
        temporary.unlink()
        sys.exit(f"{path} stays as it is: {problem}")
    if path.exists() and path.read_text() == content:
        temporary.unlink()
        return False
    temporary.rename(path)
    return True


def check(path: Path, name: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"no certificate with its key was sent ({error})") from None
    if not name:
        return
    if "does match" not in x509(path, "-checkhost", name).stdout:
        raise ValueError(f"the certificate that was sent is not for {name}")
    if x509(path, "-checkend", "0").returncode:
        raise ValueError("the certificate that was sent has expired")


def x509(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", "x509", "-noout", "-in", str(path), *options], capture_output=True, text=True)


def begin(path: Path, name: str) -> bool:
    if path.exists():
        return False
    former = [path.with_name("site.crt"), path.with_name("site.key")]
    if all(file.exists() for file in former):
        return replace(path, "\n".join(file.read_text() for file in former))
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    made += ["-subj", "/CN=not yet", "-addext", f"subjectAltName=DNS:{name}", "-keyout", "-", "-out", "-"]
    printed = subprocess.run(made, check=True, capture_output=True, text=True).stdout
    parts = re.findall(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\n", printed, re.DOTALL)
    return replace(path, "".join(sorted(parts, key=lambda part: "PRIVATE" in part)))


def fetch(path: Path, name: str, command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        sys.exit(f"{path} stays as it is: {done.stderr.strip() or done.returncode}")
    return replace(path, done.stdout, name)


def is_served(path: Path, address: str, port: int) -> bool:
    own = path.read_text().partition(END)[0] + END
    served = ssl.get_server_certificate((address, port), timeout=5)
    return ssl.PEM_cert_to_DER_cert(own) == ssl.PEM_cert_to_DER_cert(served)


def reload(path: Path, address: str, port: int) -> bool:
    if subprocess.run(["systemctl", "is-active", "--quiet", "nginx.service"]).returncode:
        return False  # it will start with the file
    try:
        if is_served(path, address, port):
            return False
    except ConnectionRefusedError:
        return False  # it speaks plain HTTP until its configuration changes
    subprocess.run(["systemctl", "reload", "nginx.service"], check=True)
    deadline = time.monotonic() + SECONDS
    while not is_served(path, address, port):
        if time.monotonic() > deadline:
            sys.exit(f"nginx does not serve the certificate in {path}. Next: sudo nginx -t")
        time.sleep(0.2)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="The certificate of a frontend, which another machine renews.")
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("begin", "fetch", "reload"):
        arguments = actions.add_parser(action)
        arguments.add_argument("path", type=Path)
        if action == "reload":
            arguments.add_argument("address")
            arguments.add_argument("port", type=int)
        else:
            arguments.add_argument("name")
        if action == "fetch":
            arguments.add_argument("command", nargs=argparse.REMAINDER)
    options = vars(parser.parse_args())
    acts: dict[str, Callable[..., bool]] = {"begin": begin, "fetch": fetch, "reload": reload}
    changed = acts[options.pop("action")](**options)
    print("changed" if changed else "unchanged")


if __name__ == "__main__":
    main()
