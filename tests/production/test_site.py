"""The site on real servers: it converges, serves users, changes without a gap, and nothing breaks it by mistake."""

from __future__ import annotations

import json
import re
import secrets
import ssl
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import dns.resolver
import pytest

from tests.production.cloud import PUBLIC
from tests.production.conftest import DOMAIN, Site, documented, servers, without_prompt

PROVISION = "ansible-playbook -i inventory/production ansible/site.yml"


def www(site: Site, nameserver: str) -> list[str]:
    """The addresses of the site, as this name server gives them."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [site.address(nameserver)]
    return [record.address for record in resolver.resolve(f"www.{DOMAIN}", "A")]


class Browser:
    """One user, who opens the page over HTTPS at an address that DNS gave, and trusts the ACME server's authority."""

    def __init__(self, site: Site) -> None:
        context = ssl.create_default_context(cafile=site.home / "root.crt")
        context.check_hostname = False  # the address is in the URL
        handlers = (ProxyHandler({}), HTTPSHandler(context=context), HTTPCookieProcessor(CookieJar()))
        self._opener: OpenerDirector = build_opener(*handlers)

    def open(self, address: str, path: str, form: dict[str, str] | None = None) -> tuple[int, Any, str]:
        """Status, JSON, and the backend that answered. The name in the cookie jar is the address."""
        data = urlencode(form).encode() if form else None
        request = Request(f"https://{address}{path}", data, {"Host": f"www.{DOMAIN}", "Accept": "application/json"})
        try:
            with self._opener.open(request, timeout=15) as answer:
                return answer.status, json.load(answer), answer.headers["X-Backend"]
        except HTTPError as error:
            return error.code, None, error.headers["X-Backend"]


def changed(recap: str) -> dict[str, int]:
    """From Ansible's recap: how many tasks changed each server."""
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", recap, re.MULTILINE)}


@pytest.fixture(scope="module")
def maria(site: Site) -> dict[str, str]:
    """A user, added as docs/operations.md says."""
    password = secrets.token_urlsafe(16)
    add = next(line for line in documented("## Manage users", "docs/operations.md")[0].splitlines() if " add " in line)
    site.ssh("backend2", f"{add.split('    #')[0].strip()} --password-stdin", password + "\n")
    return {"usuario": "maria", "senha": password}


def test_the_servers_are_not_the_labs(site: Site) -> None:
    """Another user, both releases of Debian, two networks."""
    names = servers(site.tree / "inventory" / "production")
    versions = {site.ssh(name, ". /etc/os-release; echo $VERSION_ID").strip() for name in names}
    assert versions == {"12", "13"}
    assert "no such user" in site.ssh("dns1", "id vagrant 2>&1; true")
    assert site.ssh("dns1", "ip -o -4 address show scope global | wc -l").strip() == "2"


def test_a_second_run_changes_nothing(site: Site) -> None:
    counts = changed(site.type(PROVISION))
    assert set(servers(site.tree / "inventory" / "production")) <= set(counts)
    assert {name: count for name, count in counts.items() if count} == {}


def test_a_user_logs_in_and_stays_logged_in_everywhere(site: Site, maria: dict[str, str]) -> None:
    """Both name servers know the frontends; all backends share the session."""
    addresses = www(site, "dns1")
    public = {site.address(name, PUBLIC) for name in ("frontend1", "frontend2")}
    assert set(addresses) == set(www(site, "dns2")) == public
    for address in addresses:
        browser = Browser(site)
        assert browser.open(address, "/login", maria)[0] == 200
        answers = [browser.open(address, "/perfil") for _ in range(9)]
        assert {(status, profile["usuario"]) for status, profile, _ in answers} == {(200, "maria")}
        assert {backend for _, _, backend in answers} == {"backend1", "backend2", "backend3"}


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
    assert {line.split()[0] for line in found.splitlines()} == {site.address("frontend1"), site.address("frontend2")}
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [site.address("dns1", PUBLIC)]
    assert {record.address for record in resolver.resolve(f"dns2.{DOMAIN}", "A")} == {site.address("dns2", PUBLIC)}
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve(f"redis1.{DOMAIN}", "A")


def test_verify_stops_nothing(site: Site) -> None:
    """A typing error in a terminal must not take a site down."""
    names = servers(site.tree / "inventory" / "production")
    asked = "systemctl show --property=InvocationID --value named nginx revezamento redis-server mariadb"
    before = {name: site.ssh(name, asked) for name in names}
    assert all(found.strip() for found in before.values())
    printed = site.type("LAB_INVENTORY=inventory/production make verify")
    assert "tests that would stop anything" in printed
    assert re.search(r"[1-9]\d* passed", printed)
    assert {name: site.ssh(name, asked) for name in names} == before


@pytest.mark.parametrize("command", ["make drill D=short", "make bench"])
def test_what_breaks_machines_is_refused(site: Site, command: str) -> None:
    """Its servers have users."""
    assert "its servers have users" in site.type(f"LAB_INVENTORY=inventory/production {command}", fails=True)


def test_a_release_is_deployed_and_rolled_back(site: Site, maria: dict[str, str]) -> None:
    """The user stays logged in."""
    address, browser = www(site, "dns1")[0], Browser(site)
    assert browser.open(address, "/login", maria)[0] == 200
    former = browser.open(address, "/status")[1]["versao"]
    module = site.tree / "app" / "revezamento" / "__init__.py"
    module.write_text(module.read_text(encoding="utf-8") + "\n# A change.\n", encoding="utf-8")
    site.type("LAB_INVENTORY=inventory/production make deploy")
    deployed = {browser.open(address, "/status")[1]["versao"] for _ in range(6)}
    assert len(deployed) == 1
    assert deployed != {former}
    site.type("LAB_INVENTORY=inventory/production make rollback")
    assert {browser.open(address, "/status")[1]["versao"] for _ in range(6)} == {former}
    assert browser.open(address, "/perfil")[0] == 200


def test_secrets_are_replaced(site: Site, maria: dict[str, str]) -> None:
    """docs/production.md, "Change secrets": the user stays logged in, and the next run changes nothing."""
    address, browser = www(site, "dns1")[0], Browser(site)
    assert browser.open(address, "/login", maria)[0] == 200
    before = browser.open(address, "/perfil")[1]["sessao"]
    vault = "ansible-vault view inventory/production/group_vars/all/vault.yml"
    former = set(site.type(vault).split())
    site.type(without_prompt(documented("### Change secrets")[0]))
    assert former & set(site.type(vault).split()) == {word for word in former if word.startswith("secret_")}
    assert browser.open(address, "/perfil")[1]["sessao"] == before
    assert Browser(site).open(address, "/login", maria)[0] == 200
    assert {name: count for name, count in changed(site.type(PROVISION)).items() if count} == {}


def test_the_firewall_closes(site: Site, maria: dict[str, str]) -> None:
    """docs/production.md, "Firewall": Ansible and users still pass, servers no longer reach each other's SSH."""
    reach_ssh = f"timeout 2 bash -c '</dev/tcp/{site.address('redis1', PUBLIC)}/22' && echo open || echo closed"
    assert site.ssh("frontend1", reach_ssh).strip() == "open"
    file = "group_vars/all/site.yml"
    site.replace(file, "# nftables_policy: closed", "nftables_policy: closed")
    site.replace(file, "# allow_ssh_from: [198.51.100.0/28]", f"allow_ssh_from: [{PUBLIC}.1]")
    site.type(without_prompt(f"{PROVISION} --tags nftables"))
    assert site.ssh("frontend1", reach_ssh).strip() == "closed"
    assert Browser(site).open(www(site, "dns1")[0], "/login", maria)[0] == 200
    assert sum(changed(site.type(f"{PROVISION} --tags nftables")).values()) == 0
