"""TLS to Redis, Sentinel and MySQL, whose certificates one authority has signed for their addresses."""

import ssl
from pathlib import Path
from typing import Any

import redis


def client_context(ca_file: Path) -> ssl.SSLContext:
    """Return what verifies a server: this authority alone, and the address that the app connects to.

    Raises:
        OSError: the file cannot be read, or has no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file)
    return context


class TlsConnection(redis.SSLConnection):
    """redis-py's TLS connection with a context of ours; its own reads and believes all authorities of the machine."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._context = context

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        return self._context.wrap_socket(sock, server_hostname=self.host)
