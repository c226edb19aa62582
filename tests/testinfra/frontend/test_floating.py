"""The addresses of www float between the frontends, where the inventory says so."""

from __future__ import annotations

import re

import pytest

from lab.machines import Box, Lab
from lab.waiting import SLOW, wait_until
from tests.testinfra.browser import Browser

FAIL_OVER_SECONDS = 10

ADVERTISE = r"""
import json, socket, struct, sys
query = json.load(sys.stdin)
address = socket.inet_aton(query["floating"])
packet = struct.pack("!BBBBHH4s", 0x31, query["id"], 254, 1, 20, 0, address)
ends = socket.inet_aton(query["source"]) + socket.inet_aton(query["target"])
pseudo = ends + struct.pack("!BBH", 0, 112, len(packet))
total = sum(struct.unpack(f"!{len(pseudo + packet) // 2}H", pseudo + packet))
total = (total & 0xFFFF) + (total >> 16)
packet = packet[:6] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + packet[8:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
try:
    for _ in range(5):
        raw.sendto(packet, (query["target"], 0))
    json.dump("sent", sys.stdout)
except PermissionError:
    json.dump("dropped", sys.stdout)
"""
"""Sends VRRP packets, version 3, that claim an address with a high priority, if this machine's own firewall lets it."""


@pytest.fixture
def floating(lab: Lab) -> list[str]:
    addresses = list(lab.tier("frontends")[0].vars["www_floating_addresses"])
    if not addresses:
        pytest.skip("the inventory has no floating addresses")
    return addresses


def held(frontend: Box, floating: list[str]) -> list[str]:
    """The floating addresses that a frontend holds now."""
    shown = frontend.output("ip -oneline -4 address show")
    return [address for address in floating if re.search(rf" {re.escape(address)}/", shown)]


def holders(lab: Lab, floating: list[str]) -> dict[str, list[str]]:
    return {box.name: held(box, floating) for box in lab.tier("frontends")}


def homes(lab: Lab, floating: list[str]) -> dict[str, list[str]]:
    return {box.name: list(box.role("keepalived")["__keepalived_home"]) for box in lab.tier("frontends")}


def url(lab: Lab, address: str) -> str:
    return f"{lab.vars['site_scheme']}://{address}:{lab.site_port}/"


def test_each_address_is_at_home(lab: Lab, floating: list[str]) -> None:
    """While all frontends work, each has its share of the users."""
    found = holders(lab, floating)
    assert found == homes(lab, floating)
    assert sorted(address for own in found.values() for address in own) == sorted(floating)


def test_requests_to_an_address_reach_its_holder(client: Box, lab: Lab, floating: list[str]) -> None:
    """Neighbors know where it is."""
    for name, addresses in holders(lab, floating).items():
        for address in addresses:
            answer = client.output(f"curl -s -m {5 * SLOW} -o /dev/null -D - {url(lab, address)}")
            assert f"x-frontend: {name}\r" in f"{answer.lower()}\r"


def test_every_frontend_tells_who_holds_an_address(
    browser: Browser, frontend: Box, lab: Lab, floating: list[str]
) -> None:
    """The page sees only the frontend that it is connected to, and asks it about the others."""
    for holder, addresses in holders(lab, floating).items():
        for address in addresses:
            answer = browser.get(f"/status/www{address.rpartition('.')[2]}", frontend=frontend)
            assert (answer.status, answer.json) == (200, {"frontend": holder})
            assert answer.frontend == frontend.name


@pytest.mark.usefixtures("floating")
def test_vrrp_from_other_machines_is_dropped(client: Box, frontend: Box, lab: Lab, floating: list[str]) -> None:
    """VRRP has no password: any machine could take an address away. With the closed policy it cannot even try."""
    before, dropped = holders(lab, floating), vrrp_drops(frontend)
    for address in floating:
        claim = {"source": client.address, "target": frontend.address, "floating": address}
        sent = client.python(ADVERTISE, claim | {"id": int(address.rpartition(".")[2])}, root=True)
        assert sent == {"open": "sent", "closed": "dropped"}[client.vars["nftables_policy"]]
    if client.vars["nftables_policy"] == "open":
        wait_until(
            lambda: vrrp_drops(frontend) >= dropped + len(floating), "the firewall counts them", FAIL_OVER_SECONDS
        )
    assert holders(lab, floating) == before


def vrrp_drops(frontend: Box) -> int:
    rules = frontend.root_output("nft list table inet revezamento")
    found = re.search(r"meta l4proto (?:vrrp|112) counter packets (\d+) bytes \d+ drop", rules)
    assert found, rules
    return int(found[1])


@pytest.mark.disruptive
def test_a_frontend_without_nginx_gives_its_addresses_up(
    client: Box, frontend: Box, lab: Lab, floating: list[str]
) -> None:
    """Others answer at once at the same addresses. It takes its own back when it works again."""
    if len(lab.tier("frontends")) < 2:
        pytest.skip("there is no other frontend")
    others = [box for box in lab.tier("frontends") if box != frontend]
    with frontend.stopped("nginx.service"):
        wait_until(lambda: not held(frontend, floating), "it has given them up", FAIL_OVER_SECONDS)
        taken = sorted(address for box in others for address in held(box, floating))
        assert taken == sorted(floating)
        for address in floating:
            assert client.run(f"curl -sf -m {5 * SLOW} -o /dev/null {url(lab, address)}").succeeded
    wait_until(lambda: holders(lab, floating) == homes(lab, floating), "every address is at home", FAIL_OVER_SECONDS)


@pytest.mark.disruptive
def test_a_killed_keepalived_comes_back(frontend: Box, lab: Lab, floating: list[str]) -> None:
    """A kill leaves the addresses on the machine, while another one takes them over; in the end one has each."""
    frontend.root_output("systemctl kill --signal=KILL keepalived.service")
    wait_until(lambda: frontend.is_active("keepalived.service"), "systemd restarts it", FAIL_OVER_SECONDS)
    wait_until(lambda: holders(lab, floating) == homes(lab, floating), "every address is at home", FAIL_OVER_SECONDS)
