"""What kind of client a user logs in with, as far as its User-Agent tells: enough to recognize one's own."""

import re

# The first match counts, since most browsers also name those that they descend from.
_PROGRAMS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}

_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,30}")


def client_kind(user_agent: str) -> str | None:
    """Return a short name, such as "Firefox, Linux" or "curl", or None."""
    program = _first(_PROGRAMS, user_agent)
    if program:
        return ", ".join(filter(None, (program, _first(_SYSTEMS, user_agent))))
    product = _PRODUCT.match(user_agent)
    return product[0] if product else None


def _first(names: dict[str, str], user_agent: str) -> str | None:
    return next((name for mark, name in names.items() if mark in user_agent), None)
