"""The client resolves names through the lab's DNS only."""

from __future__ import annotations

import json

from lab.machines import Box, Lab

LOOK_UP = """
import json, socket, sys
query = json.load(sys.stdin)
look_up = lambda: socket.getaddrinfo(query["name"], query["port"], type=socket.SOCK_STREAM)
json.dump([[found[4][0] for found in look_up()] for _ in range(query["times"])], sys.stdout)
"""


def test_labs_dns_is_the_only_resolver(client: Box, lab: Lab) -> None:
    """A fallback resolver would hide a broken zone."""
    servers = client.output("awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf").split()
    assert servers == lab.addresses("dns")


def test_public_names_are_not_found(client: Box) -> None:
    """The lab's DNS is authoritative only, and the client has no other resolver."""
    assert client.run("getent ahostsv4 deb.debian.org").rc == 2


def test_getaddrinfo_returns_every_frontend_in_rotating_order(client: Box, lab: Lab) -> None:
    """The C library may sort addresses by common prefix (RFC 6724, rule 9), which would defeat the round robin."""
    www = set(lab.www_addresses)
    query = {"name": lab.site_name, "port": lab.site_port, "times": 10 * len(www)}
    answers = client.python(LOOK_UP, query)
    assert {frozenset(answer) for answer in answers} == {frozenset(www)}
    assert {answer[0] for answer in answers} == www, json.dumps(answers)


def test_tools_from_the_readme_are_installed(client: Box) -> None:
    """The README's commands are run on this machine."""
    missing = [tool for tool in ("dig", "curl", "jq", "ping") if client.run("command -v %s", tool).failed]
    assert missing == []
