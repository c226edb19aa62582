"""Whom the machines ask for names."""

from __future__ import annotations

import re

from tests.templates.rendered import inventory, text


def servers(role: str, machine: str) -> list[str]:
    return re.findall(r"^nameserver (\S+)$", text(role, "resolv.conf.j2", machine=machine), re.MULTILINE)


def test_servers_ask_the_lab_first_then_whom_they_came_with() -> None:
    """Machines know each other by name and still reach their package mirror."""
    assert servers("common", "backend1") == [inventory().machine("dns1").address, "192.0.2.53", "192.0.2.54"]


def test_a_users_computer_asks_the_lab_alone() -> None:
    """What it sees is what the lab's DNS says, and nothing else."""
    assert servers("common", "client") == [inventory().machine("dns1").address]
