"""An ACME server in place of Let's Encrypt, on a server of the cloud: Pebble, which asks the site's DNS."""

from __future__ import annotations

import json
from collections.abc import Callable

from lab.waiting import wait_until
from tests.certificates import self_signed

FOLDER = "/etc/pebble"
INSTALL = f"""\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes pebble
mkdir -p {FOLDER}
"""
ROOT_CERTIFICATE = """\
import ssl, urllib.request
context = ssl._create_unverified_context()
print(urllib.request.urlopen("https://127.0.0.1:15000/roots/0", context=context).read().decode())
"""


def directory(address: str) -> str:
    return f"https://{address}:14000/dir"


def start(run: Callable[[str, str], str], address: str, nameserver: str) -> str:
    """Install and start it; `run` runs a command with an input. Returns the authority of its own address, as PEM."""
    own = self_signed([address])
    settings = {
        "listenAddress": f"{address}:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": f"{FOLDER}/server.crt",
        "privateKey": f"{FOLDER}/server.key",
        "httpPort": 5002,
        "tlsPort": 5001,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "certificateValidityPeriod": 90 * 86400,
    }
    run("sudo sh", INSTALL)
    texts = {"server.crt": own.certificate, "server.key": own.key, "pebble.json": json.dumps({"pebble": settings})}
    for name, text in texts.items():
        run(f"sudo tee {FOLDER}/{name} >/dev/null", text)
    command = f"pebble -strict -config {FOLDER}/pebble.json -dnsserver {nameserver}:53"
    run(f"sudo systemd-run --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 {command}", "")
    return own.certificate


def root_certificate(run: Callable[[str, str], str]) -> str:
    """The authority that signs what it issues, as PEM. It is another one after each start."""
    return wait_until(lambda: run("python3 -", ROOT_CERTIFICATE), "Pebble answers", 60)
