"""TLS on every frontend: its certificate, its versions, and sessions that continue on another frontend."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from hashlib import sha256

import pytest
from testinfra.backend.base import CommandResult

from lab.machines import Box, Lab
from tests.testinfra.browser import Browser, Request, summary

pytestmark = pytest.mark.tls

SESSION = "/tmp/tls-session"
REQUEST = r"HEAD /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""The tickets of TLS 1.3 come after the handshake, with the answer."""


@pytest.fixture
def session(client: Box) -> Iterator[str]:
    """The file on the client for a TLS session."""
    yield SESSION
    client.run(f"rm -f {SESSION}")


def handshake(client: Box, lab: Lab, frontend: Box, *options: str) -> CommandResult:
    """Connect from the client. Fails unless the certificate is valid for the site's name, by what the client trusts."""
    command = ["openssl", "s_client", "-connect", f"{frontend.address}:{lab.site_port}", "-servername", lab.site_name]
    command += ["-verify_return_error", "-verify_hostname", lab.site_name, "-ign_eof", *options]
    return client.run(f"printf '{REQUEST}' | {shlex.join(command)}")


def test_the_certificate_is_valid_on_every_frontend(browser: Browser, lab: Lab) -> None:
    """By the site's name, with the authority that the client trusts as any program there does."""
    answers = browser.send([Request(path="/", frontend=frontend) for frontend in lab.tier("frontends")])
    assert [(answer.status, answer.frontend) for answer in answers] == [(200, name) for name in lab.names("frontends")]


def test_each_frontend_can_be_visited_by_its_own_name_and_address(client: Box, frontend: Box, lab: Lab) -> None:
    """To look at one of them. The site's addresses are in the certificate as well."""
    if lab.ca_file is None:
        pytest.skip("the certificate is not from the lab's authority")
    hosts = [f"{frontend.name}.{lab.domain}", *frontend.vars["nginx_addresses"]]
    for host in hosts:
        client.output("curl --silent --show-error --fail --output /dev/null %s", f"https://{host}:{lab.site_port}/")


def test_a_wrong_name_is_refused(client: Box, frontend: Box, lab: Lab) -> None:
    """Shows that the client checks names."""
    resolve = f"--resolve other.{lab.domain}:{lab.site_port}:{frontend.address}"
    refused = client.run(f"curl --silent {resolve} https://other.{lab.domain}:{lab.site_port}/")
    assert refused.rc == 60, refused.stderr


@pytest.mark.parametrize(
    ("options", "works"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES128-SHA"], False),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
    ],
    ids=["TLS 1.3", "TLS 1.2", "TLS 1.2 without AEAD", "TLS 1.1", "TLS 1.0"],
)
def test_only_good_versions_and_ciphers_are_accepted(
    client: Box, frontend: Box, lab: Lab, options: list[str], works: bool
) -> None:
    """Mozilla's intermediate profile."""
    done = handshake(client, lab, frontend, *options)
    assert done.succeeded == works, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_continues_on_every_other_frontend(
    client: Box, frontend: Box, lab: Lab, session: str, version: str
) -> None:
    """Browsers move between frontends. All of them can open a ticket, so a move costs no full handshake."""
    assert "\nNew, " in handshake(client, lab, frontend, version, "-sess_out", session).stdout
    for other in lab.tier("frontends"):
        done = handshake(client, lab, other, version, "-sess_in", session)
        assert "\nReused, " in done.stdout, f"{other.name}: {done.stderr}"


def test_the_keys_of_tickets_change_by_themselves(frontend: Box, lab: Lab) -> None:
    """By a timer on each machine, and to the same keys everywhere."""
    digests = {box.root_output("sha256sum < /etc/nginx/tls/tickets.current") for box in lab.tier("frontends")}
    assert len(digests) == 1
    assert frontend.is_active("nginx-ticket-keys.timer")
    assert frontend.run("systemctl is-enabled nginx-ticket-keys.timer").succeeded


def test_keys_are_readable_by_root_only(frontend: Box) -> None:
    """The folder keeps others out, and so does each file but the certificate."""
    folder = "/etc/nginx/tls"
    modes = dict(
        line.split()[::-1] for line in frontend.root_output(f"stat -c '%a:%U %n' {folder} {folder}/*").splitlines()
    )
    assert modes.pop(folder) == "700:root"
    shown = {name for name, mode in modes.items() if mode != "600:root"}
    assert shown <= {f"{folder}/site.crt", f"{folder}/fetch.known"}
    assert {f"{folder}/site.key", f"{folder}/site.pem"} & set(modes)
    assert frontend.run(f"cat {folder}/site.*").failed


def test_no_machine_has_the_authoritys_key(any_machine: Box, lab: Lab) -> None:
    """It stays on the control machine. Only frontends have the site's key."""
    if lab.ca_file is None:
        pytest.skip("the certificate is not from the lab's authority")
    names = {sha256(lab.ca_file.with_name(name).read_bytes()).hexdigest(): name for name in ("ca.key", "site.key")}
    files = any_machine.root(
        "find /etc /home /opt /root /srv /tmp /usr/local /var -type f -size -2k -exec sha256sum {} +"
    )
    found = [names[digest] for digest in files.stdout.split()[::2] if digest in names]
    assert found == (["site.key"] if "frontends" in any_machine.tiers else [])


def test_a_floating_address_has_its_holders_certificate(client: Box, lab: Lab) -> None:
    """An address that moved is visited by the same name."""
    for address in lab.www_addresses:
        resolve = f"--resolve {lab.site_name}:{lab.site_port}:{address}"
        client.output(f"curl --silent --show-error --fail --output /dev/null {resolve} {lab.site_url}/")


def test_answers_say_who_served_them_over_https_too(browser: Browser, frontend: Box, lab: Lab) -> None:
    """The proxy works as over plain HTTP."""
    answers = browser.send([Request(path="/status", frontend=frontend)] * 3)
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.backend for answer in answers} <= set(lab.names("backends"))
