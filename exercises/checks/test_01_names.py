"""Exercise 1: the answers, compared with what the name server says now."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from exercises.evidence import Evidence
from exercises.judge import Found
from exercises.sheet import Answers
from lab.machines import Lab

OTHER_DOMAIN, ADDRESS_OF = "example.org", 21
SECONDS = 3


def ask(lab: Lab, name: str, kind: str) -> dns.message.Message:
    """The answer of the lab's name server."""
    return dns.query.udp(dns.message.make_query(name, kind), lab.addresses("dns")[0], timeout=SECONDS)


@pytest.fixture(scope="module")
def www(lab: Lab) -> dns.message.Message:
    return ask(lab, lab.site_name, "A")


def test_addresses(answers: Answers, www: dns.message.Message, found: Found) -> None:
    assert set(found(answers.words("addresses"))) == {str(record) for record in www.answer[0]}


def test_ttl(answers: Answers, www: dns.message.Message, found: Found) -> None:
    assert found(answers.number("ttl_seconds")) == www.answer[0].ttl


def test_authority(answers: Answers, www: dns.message.Message, found: Found) -> None:
    assert www.flags & dns.flags.AA
    assert found(answers.name("authority_flag")) == "aa"


def test_serial(answers: Answers, lab: Lab, found: Found) -> None:
    (soa,) = ask(lab, lab.domain, "SOA").answer[0]
    assert found(answers.number("serial")) == soa.serial


def test_reverse_name(answers: Answers, lab: Lab, found: Found) -> None:
    (machine,) = (box.name for box in lab if box.address.endswith(f".{ADDRESS_OF}"))
    assert found(answers.name("reverse_name")) in (machine, f"{machine}.{lab.domain}")


def test_refused(answers: Answers, lab: Lab, found: Found) -> None:
    status = dns.rcode.to_text(ask(lab, OTHER_DOMAIN, "A").rcode())
    assert found(answers.text("refused_status")).upper() == status


def test_every_frontend_got_requests(evidence: Evidence, lab: Lab, found: Found) -> None:
    counts = dict.fromkeys(lab.names("frontends"), 0)
    for request in evidence.of_client(agent="names"):
        counts[request.frontend] += 1
    assert all(found(counts).values())
