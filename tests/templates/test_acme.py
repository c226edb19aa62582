"""A certificate by ACME, with the real programs: the role's lego, the primary's BIND, and Pebble as the server."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Iterator

import pytest

from lab.inventory import ROLES
from lab.waiting import wait_until
from tests.certificates import self_signed
from tests.templates.rendered import SECRETS, files, inventory
from tests.workbench import Workbench

DOMAIN, FOLDER = "meutrabalho.com.br", "/bench/acme"
CHALLENGE = f"_acme-challenge.www.{DOMAIN}"
DIRECTORY, BUNDLE = "https://127.0.0.1:14000/dir", f"{FOLDER}/site.pem"
PEBBLE = {
    "listenAddress": "127.0.0.1:14000",
    "managementListenAddress": "127.0.0.1:15000",
    "certificate": f"{FOLDER}/server.crt",
    "privateKey": f"{FOLDER}/server.key",
    "httpPort": 5002,
    "tlsPort": 5001,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
    "certificateValidityPeriod": 90 * 86400,
}


def shell(bench: Workbench, command: str, *, fails: bool = False) -> str:
    done = bench.run(["sh", "-c", command])
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def bench(workbench: Workbench) -> Iterator[Workbench]:
    """The primary of a site with one name server, and Pebble, which asks it."""
    machine = inventory("tls").machine("dns1")
    overrides = {"bind_challenge_names": ["www"]}
    written = {file.dest: file.text for file in files(machine, "bind", **overrides)}
    server = self_signed(["127.0.0.1"])
    written |= {f"{FOLDER}/server.crt": server.certificate, f"{FOLDER}/server.key": server.key}
    written |= {f"{FOLDER}/pebble.json": json.dumps({"pebble": PEBBLE}), "/etc/resolv.conf": "nameserver 127.0.0.1\n"}
    written |= {f"{FOLDER}/program": (ROLES / "acme" / "files" / "acme_certificate.sh").read_text(encoding="utf-8")}
    written |= {f"{FOLDER}/key": b64encode(SECRETS["secret_dns_update"].encode()).decode() + "\n"}
    workbench.write(written)
    shell(
        workbench, f"mkdir -p /run/named && ip address add {machine.address}/32 dev lo && named -c /etc/bind/named.conf"
    )
    start_pebble(workbench)
    yield workbench
    shell(workbench, f"pkill -x named; pkill -x pebble; ip address del {machine.address}/32 dev lo; rm -rf {FOLDER}")


def start_pebble(bench: Workbench) -> None:
    """It always validates, and refuses some nonces so that clients have to repeat requests."""
    options = f"-strict -config {FOLDER}/pebble.json -dnsserver 127.0.0.1:53"
    shell(bench, f"PEBBLE_AUTHZREUSE=0 PEBBLE_VA_NOSLEEP=1 setsid pebble {options} >{FOLDER}/pebble.log 2>&1 &")
    ready = ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 14000)).close()"]
    wait_until(lambda: bench.run(ready).returncode == 0, "Pebble answers")


def request(bench: Workbench, *, days: int = 30, key: str = "acme", fails: bool = False) -> str:
    """What acme.service does."""
    settings = {
        "ACME_DIRECTORY": DIRECTORY,
        "ACME_EMAIL": f"hostmaster@{DOMAIN}",
        "RFC2136_NAMESERVER": "127.0.0.1:53",
        "RFC2136_TSIG_ALGORITHM": "hmac-sha256.",
        "RFC2136_TSIG_KEY": key,
        "RFC2136_TSIG_SECRET_FILE": f"{FOLDER}/key",
        "RFC2136_POLLING_INTERVAL": "1",
        "LEGO_CA_CERTIFICATES": f"{FOLDER}/server.crt",
    }
    command = ["sh", f"{FOLDER}/program", f"{FOLDER}/{key}", BUNDLE, str(days), f"www.{DOMAIN}"]
    return shell(
        bench, shlex.join(["env", *(f"{name}={value}" for name, value in settings.items()), *command]), fails=fails
    )


def serial(bench: Workbench) -> str:
    return shell(bench, f"openssl x509 -noout -serial -in {BUNDLE}")


def test_a_certificate_is_issued_and_renewed_when_it_is_due(bench: Workbench) -> None:
    """Pebble finds the proof in BIND. Another run requests nothing, unless it is due or somebody says so."""
    request(bench)
    first = serial(bench)
    assert "does match" in shell(bench, f"openssl x509 -noout -checkhost www.{DOMAIN} -in {BUNDLE}")
    assert shell(bench, f"grep -h -- -BEGIN {BUNDLE}").splitlines()[-1] == "-----BEGIN EC PRIVATE KEY-----"
    assert shell(bench, f"stat -c %a {BUNDLE}") == "640\n"
    assert not shell(bench, f"dig +short @127.0.0.1 {CHALLENGE} TXT"), "the proof is left"
    request(bench)
    assert serial(bench) == first
    request(bench, days=91)
    second = serial(bench)
    assert second != first
    shell(bench, f"touch {FOLDER}/renew-now")
    request(bench)
    assert serial(bench) != second
    assert shell(bench, f"ls {FOLDER}/renew-now 2>/dev/null; true") == ""


def test_a_failure_leaves_the_former_certificate(bench: Workbench) -> None:
    """Whether the key for updates is wrong, or the server is away."""
    request(bench)
    former = shell(bench, f"cat {BUNDLE}")
    assert "rfc2136" in request(bench, key="unknown", fails=True)
    shell(bench, "pkill -x pebble")
    assert "refused" in request(bench, days=91, fails=True)
    assert shell(bench, f"cat {BUNDLE}") == former
    start_pebble(bench)


SIGNED = "-k /etc/bind/update.key"


@pytest.mark.parametrize(
    ("zone", "record", "options", "works"),
    [
        (CHALLENGE, f"{CHALLENGE} 30 TXT proof", SIGNED, True),
        (CHALLENGE, f"{CHALLENGE} 30 TXT proof", "", False),
        (CHALLENGE, f"{CHALLENGE} 30 TXT proof", "-k /etc/bind/transfer.key", False),
        (CHALLENGE, f"{CHALLENGE} 30 TXT proof", "-y hmac-sha256:acme:AAAA", False),
        (CHALLENGE, f"{CHALLENGE} 30 A 192.0.2.1", SIGNED, False),
        (CHALLENGE, f"other.{CHALLENGE} 30 TXT proof", SIGNED, False),
        (DOMAIN, f"www.{DOMAIN} 30 A 192.0.2.1", SIGNED, False),
        (DOMAIN, f"www.{DOMAIN} 30 TXT proof", SIGNED, False),
    ],
)
def test_the_key_changes_proofs_and_nothing_else(
    bench: Workbench, zone: str, record: str, options: str, works: bool
) -> None:
    """Nobody without the key does, and no other key."""
    lines = ["server 127.0.0.1", "check-names off", f"zone {zone}", f"update add {record}", "send"]
    printed = shell(bench, f"printf '%s\\n' {shlex.join(lines)} | nsupdate {options}", fails=not works)
    assert works or "REFUSED" in printed or "BADSIG" in printed or "BADKEY" in printed, printed
