"""Password hashes: argon2id with OWASP's parameters, and no more at once than there are processors."""

import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from revezamento import long_work

MEMORY_KIBIBYTES = 19_456
PASSES = 2
LANES = 1

MIN_CHARACTERS = 8
MAX_CHARACTERS = 128
"""Longer input is refused before it is hashed, which would only cost time."""

_HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIBIBYTES, parallelism=LANES)


class Overloaded(Exception):
    """No processor was free for a hash in time."""


class Passwords:
    """Creates and verifies hashes; safe to share between threads.

    Args:
        workers: number of processes that share the processors; each may use at least one.
    """

    def __init__(self, workers: int) -> None:
        self._slots = BoundedSemaphore(max(1, (os.cpu_count() or 1) // workers))
        self._dummy_hash = _dummy_hash()

    def hash(self, senha: str) -> str:
        """Return the hash of a password, including parameters and salt; waits for a free processor."""
        long_work.announce()
        with self._slots:
            return _HASHER.hash(_normal(senha))

    def verify(self, senha_hash: str | None, senha: str, wait_seconds: float) -> bool:
        """Return whether a password matches a hash; without a hash, False after the same work.

        Raises:
            Overloaded: no processor was free within `wait_seconds`.
        """
        with self._slot(wait_seconds):
            try:
                _HASHER.verify(senha_hash or self._dummy_hash, _normal(senha))
            except (VerificationError, InvalidHashError):
                return False
        return senha_hash is not None

    def needs_rehash(self, senha_hash: str) -> bool:
        """Return whether a hash was made with other parameters than the current ones."""
        return _HASHER.check_needs_rehash(senha_hash)

    @contextmanager
    def _slot(self, wait_seconds: float) -> Iterator[None]:
        long_work.announce()
        if not self._slots.acquire(timeout=max(0.0, wait_seconds)):
            raise Overloaded
        try:
            yield
        finally:
            self._slots.release()


@cache
def _dummy_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe())


def _normal(senha: str) -> str:
    # The same "ã" is one character or two, depending on the keyboard that typed it.
    return unicodedata.normalize("NFKC", senha)


def is_password(senha: str) -> bool:
    """Return whether a text can be a password: not empty, not too long, no control characters."""
    return 0 < len(senha) <= MAX_CHARACTERS and not any(unicodedata.category(c) in ("Cc", "Cs") for c in senha)
