"""Refuses cross-site requests: the cookie alone does not prove that the user intended one."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Request, request

from revezamento.errors import Refusal

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_cross_site() -> None:
    """Raise `Refusal` (403) for a state-changing request that comes from another site."""
    if request.method not in _SAFE_METHODS and _is_cross_site(request):
        raise Refusal(HTTPStatus.FORBIDDEN, "cross_site")


def _is_cross_site(request: Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    # Programs send neither header. "null" and other origins without a host match no host.
    return origin is not None and _host(origin) != request.host


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
