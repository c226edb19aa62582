"""A stub resolver: asks the lab's name servers, and caches each answer for its TTL and no longer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import dns.asyncresolver
import dns.resolver

TIMEOUT_SECONDS = 1.0
"""How long to wait for one name server before asking the next, as on the lab's machines (resolv.conf)."""

ATTEMPTS = 2
"""How often each name server is asked."""


class Resolution(NamedTuple):
    """The addresses in the order of the answer, and the name server that gave it: '' for the cache."""

    addresses: Sequence[str]
    nameserver: str


Resolve = Callable[[str], Awaitable[Resolution]]
"""Finds the addresses of a name."""


class Resolver:
    """The resolver of one computer, with a cache of its own; `nameservers` are asked in order."""

    def __init__(self, nameservers: Sequence[str], port: int = 53) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = list(nameservers)
        self._resolver.port = port
        self._resolver.timeout = TIMEOUT_SECONDS
        self._resolver.lifetime = TIMEOUT_SECONDS * ATTEMPTS * len(nameservers)
        self._cache = self._resolver.cache = dns.resolver.Cache()

    async def resolve(self, name: str) -> Resolution:
        """Find the addresses of a name.

        Raises:
            dns.exception.DNSException: the cache has no answer, and no name server gave one.
        """
        hits = self._cache.hits()
        answer = await self._resolver.resolve(name, "A", search=False)
        is_cached = self._cache.hits() > hits
        return Resolution([record.address for record in answer], "" if is_cached else str(answer.nameserver))
