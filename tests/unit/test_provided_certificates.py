"""`nginx_tls: provided`: a certificate that browsers or nginx would refuse never reaches a frontend."""

from __future__ import annotations

import pytest

from tests.certificates import Pair, self_signed
from tests.unit.conftest import Copy

LAB, SITE = "group_vars/all/lab.yml", "www.meutrabalho.com.br"


def provide(lab: Copy, certificate: str, key: str) -> list[str]:
    """The problems of the lab with these files."""
    files = {"nginx_tls_certificate_file": certificate, "nginx_tls_key_file": key}
    text = "nginx_tls: provided\n"
    for name, content in files.items():
        path = lab.path.parents[1] / name
        path.write_text(content, encoding="utf-8")
        text += f"{name}: {path}\n"
    lab.replace(LAB, "bind_ttl_seconds: 5\n", text)
    return lab.problems()


@pytest.mark.parametrize("names", [[SITE], ["*.meutrabalho.com.br"], ["other.example", SITE]])
def test_a_fitting_certificate_is_accepted(lab: Copy, names: list[str]) -> None:
    """With the site's name, or a wildcard for it."""
    assert provide(lab, *self_signed(names)) == []


def test_a_chain_is_accepted(lab: Copy) -> None:
    """The certificate of the site comes first."""
    pair = self_signed([SITE])
    assert provide(lab, pair.certificate + self_signed(["other.example"]).certificate, pair.key) == []


GOOD = self_signed([SITE])
CASES: dict[str, tuple[Pair, str]] = {
    "no certificate": (Pair("nothing", GOOD.key), r"`nginx_tls_certificate_file` has no certificate in PEM"),
    "no key": (Pair(GOOD.certificate, "nothing"), "`nginx_tls_key_file` has no private key in PEM"),
    "another key": (Pair(GOOD.certificate, self_signed([SITE]).key), "`nginx_tls_key_file` belongs to another"),
    "an expired one": (self_signed([SITE], days=-1), "the certificate has expired on 2"),
    "one for later": (self_signed([SITE], days=9, begins_in_days=2), "the certificate is not valid before 2"),
    "another name": (
        self_signed(["example.com", "*.www.meutrabalho.com.br"]),
        f"not valid for {SITE}, but for *.www.meutrabalho.com.br, example.com.",
    ),
    "a passphrase": (self_signed([SITE], passphrase=b"x"), "`nginx_tls_key_file` has a passphrase, for which nginx"),
}


@pytest.mark.parametrize(("pair", "message"), CASES.values(), ids=CASES)
def test_a_wrong_file_is_reported(lab: Copy, pair: Pair, message: str) -> None:
    """Once, though all frontends get the same files. The message has the line that names the file."""
    (problem,) = provide(lab, *pair)
    assert message in problem
    assert "lab.yml:" in problem
    assert GOOD.key[40:60] not in problem


def test_a_missing_file_is_reported(lab: Copy) -> None:
    """With its path."""
    text = "nginx_tls: provided\nnginx_tls_certificate_file: /nowhere/site.crt\nnginx_tls_key_file: /nowhere/site.key\n"
    lab.replace(LAB, "bind_ttl_seconds: 5\n", text)
    assert [("/nowhere/site" in problem, "lab.yml:" in problem) for problem in lab.problems()] == [(True, True)] * 2


def test_the_labs_authority_is_refused_outside_of_the_lab(lab: Copy) -> None:
    """No user's browser trusts it."""
    (lab.path / "subnet.yml").unlink()
    lab.replace("hosts.yml", "  vars:\n    lab_subnet: 172.20.0\n", "")
    lab.replace(LAB, "bind_ttl_seconds: 5\n", "nginx_tls: lab_ca\n")
    assert [problem for problem in lab.problems() if "`nginx_tls: lab_ca` is for a lab" in problem]


@pytest.mark.parametrize("value", ["off", '"off"', "lab_ca"])
def test_the_other_kinds_need_no_files(lab: Copy, value: str) -> None:
    """YAML reads an unquoted `off` as false."""
    lab.replace(LAB, "bind_ttl_seconds: 5\n", f"nginx_tls: {value}\n")
    assert lab.problems() == []
