"""The site as it is installed: nothing is left to change, users are served, and nothing breaks it by mistake."""

from __future__ import annotations

import re
import ssl

import dns.resolver
import pytest

from tests.production.cloud import PUBLIC
from tests.production.conftest import DOMAIN, PROVISION, Site, changed
from tests.production.user import Browser, www


def test_the_servers_are_not_the_labs(site: Site) -> None:
    """Another user, both releases of Debian, two networks."""
    versions = {site.ssh(name, ". /etc/os-release; echo $VERSION_ID").strip() for name in site.servers}
    assert versions == {"12", "13"}
    assert "no such user" in site.ssh("dns1", "id vagrant 2>&1; true")
    assert site.ssh("dns1", "ip -o -4 address show scope global | wc -l").strip() == "2"


def test_a_second_run_changes_nothing(site: Site) -> None:
    counts = changed(site.type(PROVISION))
    assert set(site.servers) <= set(counts)
    assert {name: count for name, count in counts.items() if count} == {}


def test_a_user_logs_in_and_stays_logged_in_everywhere(site: Site, maria: dict[str, str]) -> None:
    """All name servers know the frontends; all backends share the session."""
    public = {site.address(name, PUBLIC) for name in site.tier("frontend")}
    for nameserver in site.tier("dns"):
        assert set(www(site, nameserver)) == public
    for address in public:
        browser = Browser(site)
        assert browser.open(address, "/login", maria)[0] == 200
        answers = [browser.open(address, "/perfil") for _ in range(9)]
        assert {(status, profile["usuario"]) for status, profile, _ in answers} == {(200, "maria")}
        assert {backend for _, _, backend in answers} == set(site.tier("backend"))


def test_the_certificate_is_issued_and_the_same_everywhere(site: Site) -> None:
    """By the ACME server, for the site's name, and not by the placeholder with which nginx starts."""
    shown = [ssl.get_server_certificate((address, 443)) for address in www(site, "dns1")]
    assert len(shown) == 2
    assert len(set(shown)) == 1
    read = f"echo '{shown[0]}' | openssl x509 -noout -issuer -checkhost www.{DOMAIN}"
    printed = site.ssh("frontend1", read)
    assert "Pebble" in printed
    assert "does match" in printed


def test_the_servers_themselves_use_private_addresses(site: Site) -> None:
    """The public view is for the others, who learn no private address."""
    found = site.ssh("backend1", f"getent ahostsv4 www.{DOMAIN}")
    assert {line.split()[0] for line in found.splitlines()} == {site.address(name) for name in site.tier("frontend")}
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [site.address("dns1", PUBLIC)]
    last = site.tier("dns")[-1]
    assert {record.address for record in resolver.resolve(f"{last}.{DOMAIN}", "A")} == {site.address(last, PUBLIC)}
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve(f"redis1.{DOMAIN}", "A")


def test_verify_stops_nothing(site: Site) -> None:
    """A typing error in a terminal must not take a site down."""
    asked = "systemctl show --property=InvocationID --value named nginx revezamento redis-server mariadb"
    before = {name: site.ssh(name, asked) for name in site.servers}
    assert all(found.strip() for found in before.values())
    printed = site.type("LAB_INVENTORY=inventory/production make verify")
    assert "tests that would stop anything" in printed
    assert re.search(r"[1-9]\d* passed", printed)
    assert {name: site.ssh(name, asked) for name in site.servers} == before


@pytest.mark.parametrize("command", ["make drill D=short", "make bench"])
def test_what_breaks_machines_is_refused(site: Site, command: str) -> None:
    """Its servers have users."""
    assert "its servers have users" in site.type(f"LAB_INVENTORY=inventory/production {command}", fails=True)
