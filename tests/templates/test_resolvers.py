"""The machines' resolvers."""

from __future__ import annotations

import re

from tests.templates.rendered import inventory, text


def servers(role: str, machine: str) -> list[str]:
    return re.findall(r"^nameserver (\S+)$", text(role, "resolv.conf.j2", machine=machine), re.MULTILINE)


def test_servers_use_the_labs_dns_first_and_the_providers_next() -> None:
    """They resolve each other's names and still reach the package mirror."""
    assert servers("common", "backend1") == [inventory().machine("dns1").address, "192.0.2.53", "192.0.2.54"]


def test_a_users_computer_only_uses_the_labs_dns() -> None:
    """A fallback would hide errors of the lab's DNS from tests on the client."""
    assert servers("common", "client") == [inventory().machine("dns1").address]
