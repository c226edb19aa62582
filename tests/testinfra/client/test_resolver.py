"""A user's computer: it finds the site by the lab's DNS, and by nothing else."""

from __future__ import annotations

import json

from lab.machines import Box, Lab

LOOK_UP = """
import json, socket, sys
told = json.load(sys.stdin)
look_up = lambda: socket.getaddrinfo(told["name"], told["port"], type=socket.SOCK_STREAM)
json.dump([[found[4][0] for found in look_up()] for _ in range(told["times"])], sys.stdout)
"""


def test_its_only_resolver_is_the_labs(client: Box, lab: Lab) -> None:
    """With a second resolver behind it, a broken zone would look healthy."""
    servers = client.output("awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf").split()
    assert servers == lab.addresses("dns")


def test_names_of_the_world_are_not_found(client: Box) -> None:
    """The lab's DNS answers for its own zone alone, and the client has nobody else to ask."""
    assert client.run("getent ahostsv4 deb.debian.org").rc == 2


def test_programs_get_every_frontend_and_each_comes_first_at_times(client: Box, lab: Lab) -> None:
    """The round robin has to survive the C library, which sorts addresses of its own network (RFC 6724, rule 9)."""
    www = set(lab.www_addresses)
    question = {"name": lab.site_name, "port": lab.site_port, "times": 10 * len(www)}
    answers = client.python(LOOK_UP, question)
    assert {frozenset(answer) for answer in answers} == {frozenset(www)}
    assert {answer[0] for answer in answers} == www, json.dumps(answers)


def test_it_has_what_a_user_works_with(client: Box) -> None:
    """The README's commands are typed here."""
    missing = [tool for tool in ("dig", "curl", "jq", "ping") if client.run("command -v %s", tool).failed]
    assert missing == []
