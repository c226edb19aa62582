"""What a browser knows of names: asked of the lab's DNS, remembered for as long as the answer says and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

LOOKUP_SECONDS = 2.0
"""How long one question may take; each server is asked twice."""

ROUNDS = 2


class NameNotFound(Exception):
    """No server told an address."""


class Names(Protocol):
    """Where the addresses of a site come from; `asked` is the server that the last call asked, '' for none."""

    asked: str

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses in the order to try them."""


class DnsNames:
    """One computer's resolver with a cache of its own.

    Args:
        servers: addresses of the name servers, asked in order.
        clock: seconds that only grow.
    """

    def __init__(self, servers: Sequence[str], port: int = 53, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = list(servers)
        self._port = port
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}
        self.asked = ""

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses in the order of the answer.

        Raises:
            NameNotFound: nothing is remembered, and no server told.
        """
        self.asked = ""
        until, known = self._known.get(name, (0.0, []))
        if self._clock() < until:
            return known
        reasons = []
        for server in self._servers * ROUNDS:
            try:
                ttl, found = await self._ask(server, name)
            except (OSError, dns.exception.DNSException, NameNotFound) as error:
                reasons.append(f"{server}: {error or type(error).__name__}")
                continue
            self.asked = server
            self._known[name] = (self._clock() + ttl, found)
            return found
        raise NameNotFound(f"no address of {name}: {'; '.join(reasons)}")

    async def _ask(self, server: str, name: str) -> tuple[int, list[str]]:
        query = dns.message.make_query(name, dns.rdatatype.A)
        answer = await dns.asyncquery.udp(query, server, timeout=LOOKUP_SECONDS, port=self._port)
        sets = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A]
        if not sets:
            raise NameNotFound(f"{dns.rcode.to_text(answer.rcode())} without an address")
        return min(rrset.ttl for rrset in sets), [record.address for rrset in sets for record in rrset]


class FixedNames:
    """Every name at the same addresses: for a door that stands in the way on purpose."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = ""

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses, whatever the name."""
        return self._addresses
