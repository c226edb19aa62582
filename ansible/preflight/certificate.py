"""A certificate and a key that the inventory provides fit each other and the site."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any


def wrong_certificate(where: str, certificate: str, where_key: str, key: str, names: list[str]) -> Iterator[str]:
    """A certificate that browsers would refuse, or a key that nginx would. No part of the key is shown."""
    try:  # not needed without TLS, and Ansible may run without it
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    except ImportError:
        yield f"{where}: `nginx_tls: provided` needs the Python package cryptography beside Ansible. Install it."
        return

    def public(owner: Any) -> bytes:
        return bytes(owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    try:
        first = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        yield f"{where}: `nginx_tls_certificate_file` has no certificate in PEM. It begins with -----BEGIN CERTIFICATE."
        return
    try:
        if public(load_pem_private_key(key.encode(), None)) != public(first):
            yield f"{where_key}: `nginx_tls_key_file` belongs to another certificate than {where} names."
    except TypeError:
        remedy = "Remove it with `openssl pkey`, and encrypt the file with ansible-vault."
        yield f"{where_key}: `nginx_tls_key_file` has a passphrase, for which nginx would ask. {remedy}"
    except ValueError:
        yield f"{where_key}: `nginx_tls_key_file` has no private key in PEM. It begins with -----BEGIN PRIVATE KEY."

    now = datetime.datetime.now(datetime.UTC)
    if first.not_valid_after_utc <= now:
        yield f"{where}: the certificate has expired on {first.not_valid_after_utc:%Y-%m-%d}. Provide a new one."
    if first.not_valid_before_utc > now:
        yield f"{where}: the certificate is not valid before {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
    found = certified_names(first)
    for name in (name for name in names if name not in found and f"*.{name.partition('.')[2]}" not in found):
        yield f"{where}: the certificate is not valid for {name}, but for {', '.join(sorted(found)) or 'no name'}."


def certified_names(certificate: Any) -> set[str]:
    """The DNS names and addresses that a certificate is valid for."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
