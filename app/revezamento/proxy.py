"""Trusts forwarded headers from the frontends only: a forged address would bypass the login limit."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxyFix(ProxyFix):
    """Applies `X-Forwarded-For`, `-Proto` and `-Host` to requests from the given addresses only."""

    def __init__(self, app: "WSGIApplication", trusted: tuple[str, ...]) -> None:
        super().__init__(app, x_for=1, x_proto=1, x_host=1)
        self._trusted = frozenset(trusted)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Call the wrapped application."""
        if environ.get("REMOTE_ADDR") in self._trusted:
            return super().__call__(environ, start_response)
        return self.app(environ, start_response)
