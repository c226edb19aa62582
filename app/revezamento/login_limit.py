"""A limit on failed logins, counted in Redis for all servers together: per user and address, and per address.

Concurrent logins all pass the check, so an attacker gains at most as many attempts as there are threads; in return, a
burst of correct passwords is never refused.
"""

import hashlib

from revezamento.redis_link import RedisLink
from revezamento.settings import Settings

_WAIT = """
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i]) then
    wait = math.max(wait, redis.call('TTL', key), 1)
  end
end
return wait
"""

_FAIL = """
for _, key in ipairs(KEYS) do
  if redis.call('INCRBY', key, 1) == 1 then redis.call('EXPIRE', key, ARGV[1]) end
end
"""


class LoginLimit:
    """Counts failed logins in a window that begins with the first one; every method may raise `DependencyDown`."""

    def __init__(self, link: RedisLink, settings: Settings) -> None:
        self._link = link
        self._window = settings.login_window_seconds
        self._limits = (settings.login_failures_per_user, settings.login_failures_per_address)
        self._wait = link.script(_WAIT)
        self._fail = link.script(_FAIL)

    def wait_seconds(self, usuario: str, address: str) -> int:
        """Return the seconds until a login may be tried, 0 if it may be tried now."""
        return int(self._wait(_keys(usuario, address), self._limits))

    def failed(self, usuario: str, address: str) -> None:
        """Count a failed login."""
        self._fail(_keys(usuario, address), (self._window,))

    def succeeded(self, usuario: str, address: str) -> None:
        """Reset the user's failures from this address; the count of the address stays."""
        self._link.run(lambda client: client.delete(_keys(usuario, address)[0]))


def _keys(usuario: str, address: str) -> tuple[str, str]:
    # Hashed, so that any input gives a short key and Redis holds no names.
    pair = hashlib.sha256(f"{usuario}\0{address}".encode()).hexdigest()
    return f"login:{pair}", f"login:address:{address}"
