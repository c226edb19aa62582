"""What administrators do to the site later: releases, secrets, the firewall. Users stay logged in."""

from __future__ import annotations

from tests.production.cloud import PUBLIC
from tests.production.conftest import PROVISION, Site, changed, documented, without_prompt
from tests.production.user import Browser, www


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
