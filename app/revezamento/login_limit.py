"""A limit on failed logins, counted in Redis for all servers together. It refuses guesses, and locks nobody out.

Failures count for the pair of user and address. What happens at other addresses, and what other users behind the same
address do, never uses up that limit. If a user or an address has had many failures in all, each of its pairs gets one
try until the window ends: enough for somebody who knows the password.

A browser that the user has logged in with before has a limit of its own, which nobody else's failures touch.

Concurrent logins all pass the check, so an attacker gains at most as many attempts as there are threads; in return, a
burst of correct passwords is never refused.
"""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from revezamento.redis_link import RedisLink
from revezamento.settings import Settings

USER_PAIRS = 10
"""A user with as many failures as so many pairs are allowed is under attack from many addresses."""

_IPV6_PREFIX = 64
"""One subscriber has at least so large a network, and can use any address of it."""

_WAIT = """
local limit = tonumber(ARGV[1])
for i = 2, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or 0) >= tonumber(ARGV[i]) then limit = 1 end
end
if tonumber(redis.call('GET', KEYS[1]) or 0) < limit then return 0 end
return math.max(redis.call('TTL', KEYS[1]), 1)
"""

_FAIL = """
for _, key in ipairs(KEYS) do
  if redis.call('INCRBY', key, 1) == 1 then redis.call('EXPIRE', key, ARGV[1]) end
end
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login, before its password is checked.

    Attributes:
        device: the browser, if the user has logged in with it before.
    """

    usuario: str
    address: str
    device: str | None = None


class LoginLimit:
    """Counts failed logins in a window that begins with the first one; every method may raise `DependencyDown`."""

    def __init__(self, link: RedisLink, settings: Settings) -> None:
        self._link = link
        self._window = settings.login_window_seconds
        per_pair = settings.login_failures_per_user
        self._limits = (per_pair, per_pair * USER_PAIRS, settings.login_failures_per_address)
        self._wait = link.script(_WAIT)
        self._fail = link.script(_FAIL)

    def wait_seconds(self, attempt: Attempt) -> int:
        """Return the seconds until this login may be tried, 0 if it may be tried now."""
        return int(self._wait(_keys(attempt), self._limits))

    def failed(self, attempt: Attempt) -> None:
        """Count a failed login."""
        self._fail(_keys(attempt), (self._window,))

    def succeeded(self, attempt: Attempt) -> None:
        """Reset the failures of this pair, or of this browser; those of the user and of the address stay."""
        self._link.run(lambda client: client.delete(_keys(attempt)[0]))


def _keys(attempt: Attempt) -> list[str]:
    """Return the key of the limit that applies, then those of the totals, if they count."""
    if attempt.device:
        return [f"login:device:{_hash(attempt.usuario, attempt.device)}"]
    network = _network(attempt.address)
    return [
        f"login:{_hash(attempt.usuario, network)}",
        f"login:user:{_hash(attempt.usuario)}",
        f"login:address:{network}",
    ]


def _hash(*parts: str) -> str:
    # Any input gives a short key, and Redis holds no names.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _network(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    return str(ip.ipv4_mapped or IPv6Network((ip, _IPV6_PREFIX), strict=False))
