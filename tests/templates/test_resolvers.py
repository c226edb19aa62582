"""The machines' resolvers."""

from __future__ import annotations

import re

from tests.templates.rendered import files, inventory, text


def servers(role: str, machine: str, variant: str = "lab") -> list[str]:
    return re.findall(r"^nameserver (\S+)$", text(role, "resolv.conf.j2", variant, machine), re.MULTILINE)


def test_servers_use_the_labs_dns_first_and_the_providers_next() -> None:
    """They resolve each other's names and still reach the package mirror."""
    assert servers("common", "backend1") == [inventory().machine("dns1").address, "192.0.2.53", "192.0.2.54"]


def test_a_users_computer_only_uses_the_labs_dns() -> None:
    """A fallback would hide errors of the lab's DNS from tests on the client."""
    assert servers("common", "client") == [inventory().machine("dns1").address]


def test_with_two_name_servers_everybody_asks_both() -> None:
    """The C library uses three servers: both of the lab's, and one that knows the package mirror."""
    lab = [machine.address for machine in inventory("ha").hosts("dns")]
    assert servers("common", "backend1", "ha") == [*lab, "192.0.2.53"]
    assert servers("common", "client", "ha") == lab


def test_a_third_name_server_does_not_displace_the_provider() -> None:
    """Without a resolver for public names, servers could not install packages."""
    three = {"common_nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]}
    for name, expected in (
        ("backend1", ["192.0.2.1", "192.0.2.2", "192.0.2.53"]),
        ("client", three["common_nameservers"]),
    ):
        written = files(inventory().machine(name), "common", **three)
        (conf,) = [file.text for file in written if file.src == "resolv.conf.j2"]
        assert re.findall(r"^nameserver (\S+)$", conf, re.MULTILINE) == expected
