"""Believes what a frontend says about the client, and nobody else: a forged address would evade the login limit."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxyFix(ProxyFix):
    """Takes `X-Forwarded-For`, `-Proto` and `-Host` from the given addresses alone."""

    def __init__(self, app: "WSGIApplication", trusted: tuple[str, ...]) -> None:
        super().__init__(app, x_for=1, x_proto=1, x_host=1)
        self._trusted = frozenset(trusted)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer as the wrapped application does."""
        if environ.get("REMOTE_ADDR") in self._trusted:
            return super().__call__(environ, start_response)
        return self.app(environ, start_response)
