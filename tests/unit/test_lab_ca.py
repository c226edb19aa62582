"""The role lab_ca, run by Ansible on this computer: an authority and a certificate that stay as they are until they
have to change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from lab.inventory import ROOT, Inventory
from lab.settings import MITOGEN
from tests.stages import RECAP

SITE = "www.meutrabalho.com.br"
PLAY = """
- hosts: frontends
  gather_facts: false
  roles: [lab_ca]
"""


@dataclass
class Control:
    """The control machine: a folder for the authority, and the variables of the role."""

    folder: Path
    variables: dict[str, Any]

    def run(self, *options: str, **changes: Any) -> list[str]:
        """Apply the role; return what it reports as changed, in order."""
        play = self.folder.parent / "play.yml"
        play.write_text(PLAY, encoding="utf-8")
        command = [sys.executable, "-m", "ansible", "playbook", "--inventory=inventory/lab", "--diff", *options]
        variables = json.dumps(self.variables | changes)
        done = subprocess.run(
            [*command, "--extra-vars", variables, str(play)],
            cwd=ROOT,
            env=os.environ | MITOGEN,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        changed = re.findall(r"^changed: \[frontend1 -> localhost\](?: => \(item=(\S+)\))?", done.stdout, re.MULTILINE)
        assert (dict(RECAP.findall(done.stdout))["frontend1"] == "0") == (not changed)
        return [item or "authority" for item in changed]

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / f"{name}.crt").read_bytes())

    def contents(self) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture(scope="module")
def wired() -> dict[str, Any]:
    """The role's variables as the wiring sets them for the lab."""
    frontend = Inventory.load("inventory/lab", overrides={"nginx_tls": "lab_ca"}).machine("frontend1").vars
    return {name: frontend[name] for name in ("lab_ca_certificates", "lab_ca_permitted")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, wired: dict[str, Any]) -> Control:
    """After the first run."""
    folder = tmp_path_factory.mktemp("made") / "ca"
    control = Control(folder, {"lab_ca_folder": str(folder), **wired})
    assert control.run() == ["authority", "ca", "site", "authority", "site"]
    return control


@pytest.fixture
def control(made: Control, tmp_path: Path) -> Control:
    """The same, to be changed."""
    folder = Path(shutil.copytree(made.folder, tmp_path / "ca"))
    return Control(folder, made.variables | {"lab_ca_folder": str(folder)})


def test_a_second_run_changes_nothing_and_others_only_what_is_due(control: Control) -> None:
    """A certificate is renewed before it expires; its key and the authority stay. Another name needs another one."""
    first = control.contents()
    assert control.run() == []
    assert control.contents() == first

    assert control.run(lab_ca_renew_days=397) == ["site"]
    renewed = control.contents()
    assert {name for name in first if renewed[name] != first[name]} == {"site.crt"}

    names = [*control.variables["lab_ca_certificates"]["site"], f"DNS:frontend4.{SITE.partition('.')[2]}"]
    assert control.run(lab_ca_certificates={"site": names}) == ["site"]
    assert {name for name, content in control.contents().items() if renewed[name] != content} == {"site.crt"}


def test_a_dry_run_makes_what_the_machines_would_get(control: Control) -> None:
    """The tasks after it read these files, on a computer that has none yet."""
    shutil.rmtree(control.folder)
    control.run("--check")
    assert set(control.contents()) == {"ca.crt", "ca.key", "site.crt", "site.key"}


def test_browsers_accept_the_certificate(made: Control) -> None:
    """By the site's name and every address; not longer than they accept at all. Nobody else can read the keys."""
    site, authority = made.certificate("site"), made.certificate("ca")
    for name in (SITE, f"frontend2.{SITE.partition('.')[2]}"):
        policy = PolicyBuilder().store(Store([authority])).build_server_verifier(x509.DNSName(name))
        assert policy.verify(site, [])
    names = site.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(one) for one in names.get_values_for_type(x509.IPAddress)} == {
        f"172.20.0.{last}" for last in (20, 21, 22)
    }
    assert (site.not_valid_after_utc - site.not_valid_before_utc).days <= 398
    modes = {path.name: path.stat().st_mode & 0o777 for path in made.folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "site.crt": 0o644, "site.key": 0o600}
    assert made.folder.stat().st_mode & 0o777 == 0o700


def test_machines_of_another_authority_prove_and_verify(control: Control) -> None:
    """As members of a cluster are servers and clients of each other; a browser's certificate is for servers only."""
    names = ["DNS:redis1.meutrabalho.com.br", "IP:172.20.0.4"]
    usages = {"lab_ca_usages": ["serverAuth", "clientAuth"], "lab_ca_name": "machines"}
    control.run(lab_ca_certificates={"redis1": names}, **usages)
    redis, authority = control.certificate("redis1"), control.certificate("ca")
    assert authority.subject.rfc4514_string() == "CN=machines"
    builder = PolicyBuilder().store(Store([authority]))
    assert builder.build_server_verifier(x509.IPAddress(ip_address("172.20.0.4"))).verify(redis, [])
    assert builder.build_client_verifier().verify(redis, []).subjects
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.IPAddress(ip_address("172.20.0.5"))).verify(redis, [])


def test_the_authority_can_only_sign_for_the_lab(control: Control) -> None:
    """Whoever steals its key from `.lab` cannot impersonate a bank on a computer that trusts it."""
    control.run(lab_ca_certificates={"bank": ["DNS:www.bank.example"]})
    bank, authority = control.certificate("bank"), control.certificate("ca")
    verify = ["openssl", "verify", "-CAfile", str(control.folder / "ca.crt"), str(control.folder / "bank.crt")]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode != 0
    assert "permitted subtree violation" in done.stdout + done.stderr
    assert bank.issuer == authority.subject
