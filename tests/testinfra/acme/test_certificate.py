"""`nginx_tls: acme`: a server that asks the DNS of the lab issues the certificate, and the frontends renew it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from lab.waiting import wait_until
from tests.extra_vars import extra_vars
from tests.stages import RECAP
from tests.testinfra.browser import Browser, Request, summary
from tests.testinfra.certificates import served

pytestmark = [pytest.mark.tls, pytest.mark.acme]

RENEW = "touch /var/lib/acme/renew-now && systemctl start acme.service"
FETCH_SECONDS = 150
"""Frontends ask every minute, at a random second."""
NO_SERVER = "nft add table inet no_acme_server && nft -f - <<'END'\n{rules}\nEND"
RULES = """\
add chain inet no_acme_server output { type filter hook output priority 0; }
add rule inet no_acme_server output tcp dport 14000 reject with tcp reset
"""


def fetch(frontend: Box) -> None:
    """Do what the timer does every minute."""
    frontend.root_output("systemctl start nginx-certificate.service")


@pytest.fixture
def primary(lab: Lab) -> Box:
    """The name server that requests the certificate."""
    return lab[str(lab.vars["bind_primary"])]


def test_all_frontends_serve_one_certificate_of_the_server(client: Box, browser: Browser, lab: Lab) -> None:
    """The client trusts the server's authority and no other: nothing self-signed is left."""
    answers = browser.send([Request(path="/", frontend=frontend) for frontend in lab.tier("frontends")])
    assert [(answer.status, answer.frontend) for answer in answers] == [(200, name) for name in lab.names("frontends")]
    assert len(set(served(client, lab).values())) == 1
    assert all("Pebble" in issuer for issuer in served(client, lab, "-issuer").values())


def test_the_name_was_proved_by_dns(primary: Box, lab: Lab) -> None:
    """The server has found the proof in the zone that only the key can change."""
    journal = primary.root_output("journalctl --quiet --no-pager --output=cat --unit=acme.service")
    assert f"[{lab.site_name}] acme: use dns-01 solver" in journal
    assert f"[{lab.site_name}] The server validated our request" in journal


def test_renewal_and_fetching_happen_by_themselves(frontend: Box, primary: Box) -> None:
    """At boot as well."""
    for box, timer in ((primary, "acme.timer"), (frontend, "nginx-certificate.timer")):
        assert box.is_active(timer)
        assert box.run("systemctl is-enabled %s", timer).succeeded


def test_only_the_primary_can_change_proofs(nameserver: Box, frontend: Box, client: Box, primary: Box) -> None:
    """Neither frontends nor other name servers have the key, and nobody but named and lego reads it."""
    for box in (nameserver, frontend, client):
        found = box.root("ls /etc/bind/update.key /etc/acme/update.key 2>/dev/null").stdout.split()
        assert len(found) == (2 if box.name == primary.name else 0)
    assert primary.run("cat /etc/bind/update.key").failed
    assert primary.run("cat /etc/acme/update.key").failed


KEY = "-k /etc/bind/update.key"
UNKNOWN = "-y hmac-sha256:acme:c2VjcmV0LW9mLXNvbWVib2R5LWVsc2U="


@pytest.mark.disruptive
@pytest.mark.parametrize(
    ("record", "key", "works"),
    [
        ("_acme-challenge.{site} 30 TXT proof", KEY, True),
        ("_acme-challenge.{site} 30 TXT proof", "", False),
        ("_acme-challenge.{site} 30 TXT proof", UNKNOWN, False),
        ("_acme-challenge.{site} 30 TXT proof", "-k /etc/bind/transfer.key", False),
        ("_acme-challenge.{site} 30 A 192.0.2.1", KEY, False),
        ("other._acme-challenge.{site} 30 TXT proof", KEY, False),
        ("{site} 30 A 192.0.2.1", KEY, False),
    ],
    ids=["the key", "no key", "another secret", "the key of transfers", "another type", "another name", "the site"],
)
def test_the_key_changes_proofs_and_nothing_else(primary: Box, lab: Lab, record: str, key: str, works: bool) -> None:
    """With any other key, and for anything else, BIND refuses."""
    if "transfer" in key and len(lab.tier("dns")) < 2:
        pytest.skip("there are no transfers")
    line = record.format(site=lab.site_name)
    zone = f"_acme-challenge.{lab.site_name}" if "_acme" in line else lab.domain
    lines = [f"server {primary.address}", "check-names off", f"zone {zone}", f"update add {line}", "send"]
    if works:
        lines += [f"update delete {line.replace(' 30', '')}", "send"]
    done = primary.root(f"printf '%%s\\n' {' '.join('%s' for _ in lines)} | nsupdate {key}", *lines)
    assert done.succeeded == works, done.stderr
    assert works or any(word in done.stderr for word in ("REFUSED", "BADSIG", "BADKEY")), done.stderr


def test_the_login_of_the_frontends_can_only_fetch(frontend: Box, primary: Box, lab: Lab) -> None:
    """No command, no forwarding, from no other machine."""
    ssh = " ".join(frontend.role("nginx")["__nginx_ssh"])
    assert frontend.root(f"{ssh} id").stdout.startswith("-----BEGIN CERTIFICATE-----")
    forwarded = frontend.root(f"timeout 10 {ssh} -W 127.0.0.1:22 </dev/null || true")
    assert "SSH-" not in forwarded.stdout
    allowed = primary.root_output("cat /etc/acme/reader/.ssh/authorized_keys")
    assert allowed.startswith(f'restrict,from="{",".join(lab.addresses("frontends"))}",command="cat ')


@pytest.mark.disruptive
def test_a_renewal_fails_no_request(ana: Browser, client: Box, lab: Lab, primary: Box) -> None:
    """Every frontend fetches the new certificate and loads it without a restart, and without Ansible."""
    frontends = lab.tier("frontends")
    before, processes = served(client, lab), [box.main_pid(box.service) for box in frontends]
    with ana.background_load() as answers:
        primary.root_output(RENEW)

        def is_new() -> bool:
            now = set(served(client, lab).values())
            return len(now) == 1 and not now & set(before.values())

        wait_until(is_new, "every frontend serves the new certificate", FETCH_SECONDS)
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert [box.main_pid(box.service) for box in frontends] == processes


@pytest.mark.disruptive
def test_the_former_certificate_stays_while_the_server_is_away(client: Box, lab: Lab, primary: Box) -> None:
    """Whoever looks at the machine sees that the renewal has failed, and why."""
    before = served(client, lab)
    try:
        primary.root_output(NO_SERVER.format(rules=RULES))
        assert primary.root(RENEW).failed
        assert primary.run("systemctl is-system-running").stdout.strip() == "degraded"
        assert "connection refused" in primary.journal("acme.service")
        lab.everywhere(fetch, lab.tier("frontends"))
        assert served(client, lab) == before
    finally:
        primary.root("nft delete table inet no_acme_server")
    primary.root_output("systemctl start acme.service")
    lab.everywhere(fetch, lab.tier("frontends"))


@pytest.mark.provisioning
def test_another_run_changes_nothing(client: Box, lab: Lab, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """It requests no certificate: servers limit how many they issue for a name."""
    log, before = tmp_path / "ansible.log", served(client, lab)
    assert run_playbook("site.yml", variables=extra_vars(pytestconfig), log=log) == 0, tail(log)
    recap = RECAP.findall(log.read_text(encoding="utf-8"))
    assert {name for name, count in recap if count != "0"} == set()
    assert len(recap) >= len(list(lab))
    assert served(client, lab) == before
