"""The zones match the inventory."""

from __future__ import annotations

import re
from base64 import b64decode

import dns.reversename
import dns.zone
import pytest
from zone_serial import zone_serial

from lab.inventory import Inventory
from tests.templates.rendered import SECRETS, VARIANTS, File, files, inventory, machines, template_tasks, text


def records(zone: dns.zone.Zone, name: str, kind: str = "A") -> list[str]:
    """The zone's records for an absolute name."""
    return [record.to_text() for record in zone.get_rdataset(name, kind) or []]


def zones(variant: str = "lab", **found: object) -> list[dns.zone.Zone]:
    """The forward and reverse zones, parsed by dnspython."""
    written = files(machines("bind", variant)[0], "bind", **found)
    return [dns.zone.from_text(file.text, relativize=False) for file in written if file.src == "zone.j2"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_www_resolves_to_every_frontend(variant: str) -> None:
    """BIND rotates these records (round robin)."""
    forward, *_ = zones(variant)
    dns1 = inventory(variant).machine("dns1").vars
    assert records(forward, f"{dns1['site_name']}.") == dns1["www_addresses"]


def test_the_ttl_is_five_seconds() -> None:
    """Clients stop using a frontend within five seconds of its removal from the zone."""
    forward, *_ = zones()
    assert {ttl for _, ttl, _ in forward.iterate_rdatas("A")} == {5}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_machine_has_forward_and_reverse_records(variant: str) -> None:
    """Logs contain addresses; administrators look for names."""
    forward, reverse, *_ = zones(variant)
    for machine in inventory(variant).hosts():
        name = f"{machine.name}.{machine.vars['lab_domain']}."
        assert records(forward, name) == [machine.address]
        assert records(reverse, dns.reversename.from_address(machine.address).to_text(), "PTR") == [name]


def test_the_serial_grows_only_with_the_content() -> None:
    """A needless new serial is a change in every run; an unchanged one hides a change from other servers."""
    rendered = text("bind", "zone.j2")
    old = rendered.replace("1 ; serial", "41 ; serial")
    assert zone_serial(rendered, old) == "41"
    assert int(zone_serial(rendered, old.replace("0.22", "0.99"))) > 41
    assert int(zone_serial(rendered, "")) > 41


def test_the_serial_grows_after_a_wrong_clock() -> None:
    """A serial from the future still has to grow: other servers would consider a smaller one older."""
    rendered = text("bind", "zone.j2")
    future = rendered.replace("1 ; serial", "4000000000 ; serial")
    assert zone_serial(rendered.replace("0.22", "0.99"), future) == "4000000001"


def test_recursion_and_transfers_are_refused() -> None:
    """Open resolvers are abused for attacks; a zone transfer reveals every machine."""
    config = text("bind", "named.conf.j2")
    assert "recursion no;" in config
    assert re.findall("allow-transfer .*", config) == ["allow-transfer { none; };"]


def test_one_name_server_transfers_nothing() -> None:
    """Its configuration does not mention a key, so that adding the role's options changes no lab that has one."""
    assert not re.search("key|notify-|also-notify|secondary", text("bind", "named.conf.j2"))


def test_the_primary_transfers_with_the_key_only_and_notifies_the_secondaries() -> None:
    """Addresses can be forged, and other programs run on the secondaries' machines."""
    config = text("bind", "named.conf.j2", "ha", "dns1")
    zones = config.split("\nzone ")[1:]
    assert re.findall("allow-transfer .*", config.split("\nzone ")[0]) == ["allow-transfer { none; };"]
    for zone in zones:
        assert re.findall("allow-transfer .*", zone) == ["allow-transfer { transfer; };"]
        assert "also-notify { transfer-others; };" in zone
        assert "type primary;" in zone
    key, told = text("bind", "transfer.key.j2", "ha", "dns1"), inventory("ha").machine("dns2").address
    (name,) = re.findall("^key (.*) {", key, re.MULTILINE)
    assert f"acl transfer {{ key {name}; }};" in key
    assert f"primaries transfer-others port 53 {{ {told} key {name}; }};" in key


def test_a_secondary_transfers_to_nobody() -> None:
    """It has the same zones, from the primary, and finds a change within the TTL if a notification is lost."""
    primary, config = (text("bind", "named.conf.j2", "ha", name) for name in ("dns1", "dns2"))
    assert re.findall('^zone "(.*)"', config, re.MULTILINE) == re.findall('^zone "(.*)"', primary, re.MULTILINE)
    assert re.findall("allow-transfer .*", config) == ["allow-transfer { none; };"]
    assert config.count("type secondary;") == config.count("\nzone ")
    assert config.count("primaries { transfer-others; };") == config.count("\nzone ")
    asked = re.findall("^primaries .*{ (.*) key .*;", text("bind", "transfer.key.j2", "ha", "dns2"), re.MULTILINE)
    assert asked == [inventory("ha").machine("dns1").address]
    assert {*re.findall("max-re.*-time (.*);", config)} == {"5"}


def transfer_keys(name: str, *, former: str = "") -> tuple[dict[str, str], File]:
    """The secrets in a name server's file of keys, by the names of the keys, and the file."""
    inventory = Inventory.load("inventory/ha", overrides=SECRETS | {"previous_secrets": {"dns_transfer": former}})
    file = files(inventory.machine(name), "bind", "transfer.key.j2")[0]
    found = re.findall(r'^key (\S+) {.*?secret "(.*?)"', file.text, re.MULTILINE | re.DOTALL)
    return {name: b64decode(secret).decode() for name, secret in found}, file


def test_the_key_is_the_same_everywhere_and_only_named_reads_it() -> None:
    """Whoever has the key can copy the zones."""
    (first, file), (second, _) = (transfer_keys(name) for name in ("dns1", "dns2"))
    assert first == second
    assert list(first.values()) == [SECRETS["secret_dns_transfer"]]
    assert not file.world_readable


def test_a_new_key_is_valid_beside_the_one_before_and_used() -> None:
    """A key has a name of its own: name servers that have the new one understand those that have it not yet."""
    former = "a secret from before"
    keys, file = transfer_keys("dns1", former=former)
    new, old = keys
    assert list(keys.values()) == [SECRETS["secret_dns_transfer"], former]
    assert new in transfer_keys("dns1")[0]
    assert f"acl transfer {{ key {new}; key {old}; }};" in file.text
    assert re.findall(r"^primaries .* key (\S+); };", file.text, re.MULTILINE) == [new]


def test_a_run_without_the_primary_keeps_the_serial() -> None:
    """Nobody would ever serve another one: the secondary would wait for it in vain."""
    old = text("bind", "zone.j2").replace("1 ; serial", "41 ; serial")
    assert zone_serial(old, old) == "41"


def test_zones_are_written_on_the_primary_only() -> None:
    """A secondary transfers them."""
    missing = {"__bind_challenge_files": {"results": [{"stat": {"exists": False}}]}, "__bind_index": 0}
    for task in (task for task in template_tasks("bind") if "zone.j2" in str(task)):
        written = {
            name: inventory("ha").machine(name).role("bind", **missing).vars.templar.evaluate_conditional(task["when"])
            for name in ("dns1", "dns2")
        }
        assert written == {"dns1": True, "dns2": False}


CHALLENGE = "_acme-challenge.www.meutrabalho.com.br"


def test_only_the_zone_of_a_challenge_takes_updates() -> None:
    """Ansible writes the others, so nobody else may. A secondary takes none and has no key for them."""
    primary, secondary = (text("bind", "named.conf.j2", "public", name) for name in ("dns1", "dns2"))
    dynamic = [zone for zone in primary.split("\nzone ")[1:] if "update-policy" in zone]
    assert [zone.partition(" ")[0] for zone in dynamic] == [f'"{CHALLENGE}"']
    assert f"grant acme name {CHALLENGE}. TXT; }}" in dynamic[0]
    assert primary.count("allow-update { none; };") == primary.count("type primary;") - 1
    assert not re.search("update-policy|allow-update|update.key", secondary)
    assert not re.search("update-policy|update.key|acme", text("bind", "named.conf.j2"))


def test_the_zone_of_a_challenge_is_delegated() -> None:
    """To the name servers that have it, in what the machines and what the public see."""
    found = {
        str(zone.origin): set(records(zone, f"{CHALLENGE}.", "NS"))
        for zone in zones("public")
        if zone.get_node(f"{CHALLENGE}.")
    }
    nameservers = {"dns1.meutrabalho.com.br.", "dns2.meutrabalho.com.br."}
    assert found == {"meutrabalho.com.br.": nameservers, f"{CHALLENGE}.": nameservers}


def test_other_name_servers_are_another_file_of_the_challenge() -> None:
    """BIND writes that file, so Ansible cannot change it. A second run names the same one."""
    machine = inventory("public").machine("dns1")
    both, again, one = (
        machine.role("bind", bind_nameservers=names).vars["__bind_challenge_zones"][0]["file"]
        for names in (["dns1", "dns2"], ["dns1", "dns2"], ["dns1"])
    )
    assert both == again
    assert both != one


def test_the_public_is_told_public_addresses_only() -> None:
    """Of the site and of the name servers. The addresses of all other machines stay inside."""
    public = zones("public")[2]
    found = {str(name): records(public, str(name)) for name, _, _ in public.iterate_rdatas("A")}
    assert found == {
        "www.meutrabalho.com.br.": ["203.0.113.20", "203.0.113.21"],
        "dns1.meutrabalho.com.br.": ["203.0.113.5"],
        "dns2.meutrabalho.com.br.": ["203.0.113.6"],
    }
    views = text("bind", "named.conf.j2", "public", "dns1").split("\nview ")[1:]
    assert [re.findall('zone "(.*?)"', view) for view in views] == [
        ["meutrabalho.com.br", "0.20.172.in-addr.arpa", CHALLENGE],
        ["meutrabalho.com.br", CHALLENGE],
    ]


@pytest.mark.parametrize(("name", "lists"), [("dns1", {"", "-others"}), ("dns2", {"-others"})])
def test_each_view_is_transferred_by_its_own_key(name: str, lists: set[str]) -> None:
    """The zones have the same name: the key tells which one a secondary asks for."""
    inside, public = text("bind", "named.conf.j2", "public", name).split("\nview ")[1:]
    clients, _, zones = inside.partition("};")
    assert "match-clients { !transfer-public; transfer; 127.0.0.1; " in clients
    assert {*re.findall(r"{ (transfer\S*);", zones)} == {f"transfer{one}" for one in lists}
    assert {*re.findall(r"{ (transfer\S*);", public)} == {f"transfer-public{one}" for one in lists}


def test_one_view_is_enough_without_public_addresses() -> None:
    """The lab tells everybody the same."""
    assert "view" not in text("bind", "named.conf.j2", "ha")
