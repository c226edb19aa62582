"""Recognizes the browsers that a user has logged in with, so that others' failed logins do not lock that user out.

The cookie is worthless for anything else. It has an expiry time, a random number, and an HMAC of both and the user. The
key is the hash of the user's password: no server has to remember anything, and a new password makes the cookie void.
"""

import hashlib
import hmac
import re
import secrets
from time import time

from revezamento.users import User

COOKIE_SECONDS = 90 * 86_400
"""A browser that its user has not logged in with for so long is like any other."""

COOKIE_PATH = "/login"
"""The cookie is sent nowhere else."""

_COOKIE = re.compile(r"(?P<signed>(?P<expires>\d{10})\.[A-Za-z0-9_-]{16})\.(?P<mac>[0-9a-f]{64})", re.ASCII)


def cookie_name(*, secure: bool) -> str:
    """Return the name of the cookie; `__Host-` would not allow the path."""
    return "__Secure-aparelho" if secure else "aparelho"


def new_cookie(user: User) -> str:
    """Return a cookie for a browser that a user has just logged in with."""
    signed = f"{int(time()) + COOKIE_SECONDS}.{secrets.token_urlsafe(12)}"
    return f"{signed}.{_mac(user, signed)}"


def device_of(cookie: str, user: User | None) -> str | None:
    """Return a short name of the browser if this user has logged in with it, otherwise None."""
    parts = _COOKIE.fullmatch(cookie)
    if parts is None or user is None:
        return None
    is_genuine = hmac.compare_digest(parts["mac"], _mac(user, parts["signed"]))
    if not is_genuine or int(parts["expires"]) <= time():
        return None
    return hashlib.sha256(cookie.encode()).hexdigest()


def _mac(user: User, signed: str) -> str:
    return hmac.digest(user.senha_hash.encode(), f"device:{user.id}:{signed}".encode(), "sha256").hex()
