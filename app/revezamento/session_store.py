"""Sessions in Redis: the cookie holds a random id, Redis holds JSON under the id's hash.

`sess:<hash>` is the session, `sess:<hash>:visits` its counter, `user:<id>` one user's sessions by expiry time.
Only a login creates a session, and no read or write brings it back after a logout.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from time import time
from typing import Any

from redis.client import Pipeline

from revezamento.logs import log
from revezamento.metrics import Metrics
from revezamento.redis_link import RedisLink, WrongType
from revezamento.settings import Settings

_SID_BYTES = 32
_SID = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_TIMESTAMP = 2**32
_FIELDS = {"id": int, "usuario": str, "nome": str, "email": str, "created": int}

_READ = """
local value = redis.call('GETEX', KEYS[1], 'EX', ARGV[1])
if not value then return false end
local visits = redis.call('INCRBY', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return {value, visits}
"""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as read from Redis.

    Attributes:
        data: user (`id`, `usuario`, `nome`, `email`) and `created`, in seconds since 1970.
        visits: number of visits, on all servers together.
        expires: when it ends if it is not used again, in seconds since 1970.
    """

    data: dict[str, Any]
    visits: int
    expires: int


class SessionStore:
    """The sessions of all servers; safe to share between threads, every method may raise `DependencyDown`.

    A session that has started or ended stays so, also if another Redis becomes the primary.
    """

    def __init__(self, link: RedisLink, settings: Settings, metrics: Metrics) -> None:
        self._link = link
        self._metrics = metrics
        self.lifetime = settings.session_lifetime_seconds
        self._idle = min(settings.session_idle_seconds, self.lifetime)
        self._read = link.script(_READ)

    def create(self, user: dict[str, Any], replaces: str | None) -> tuple[str, StoredSession]:
        """Start a session with a new id for a user (`id`, `usuario`, `nome`, `email`); end the session `replaces`."""
        now = int(time())
        sid = secrets.token_urlsafe(_SID_BYTES)
        data = {**user, "created": now}
        index = f"user:{user['id']}"

        def fill(pipeline: Pipeline) -> None:
            if replaces:
                pipeline.delete(*_keys(replaces))
                pipeline.zrem(index, _digest(replaces))
            pipeline.set(_keys(sid)[0], _encode(data), ex=self._idle)
            pipeline.zremrangebyscore(index, "-inf", now)
            pipeline.zadd(index, {_digest(sid): now + self.lifetime})
            pipeline.expire(index, self.lifetime)

        self._link.transaction(fill)
        return sid, StoredSession(data, 0, now + self._idle)

    def read(self, sid: str, visits: int = 0) -> StoredSession | None:
        """Return a session or None, renew its idle time, and add `visits` to its counter.

        Takes one round trip. A session that is unreadable or past its lifetime is deleted.
        """
        try:
            found = self._read(_keys(sid), (self._idle, visits))
        except WrongType:
            found = [b"", 0]
        if found is None:
            return None
        data = _decode(found[0])
        if data is None:
            self._metrics.corrupt_sessions.inc()
            log.error("session corrupt", key=_keys(sid)[0])
        now = int(time())
        end = data["created"] + self.lifetime if data else now
        if data is None or end <= now:
            self._link.run(lambda client: client.delete(*_keys(sid)))
            return None
        return StoredSession(data, found[1], min(now + self._idle, end))

    def write(self, sid: str, data: dict[str, Any]) -> None:
        """Replace a session's data; a session that has ended in the meantime stays ended."""
        # Reading has just renewed the session and its counter: both must keep the same expiry time.
        self._link.run(lambda client: client.set(_keys(sid)[0], _encode(data), xx=True, keepttl=True))

    def delete(self, sid: str, user_id: int | None) -> None:
        """End a session on every server at once."""

        def fill(pipeline: Pipeline) -> None:
            pipeline.delete(*_keys(sid))
            if user_id is not None:
                pipeline.zrem(f"user:{user_id}", _digest(sid))

        self._link.transaction(fill)

    def delete_all(self, user_id: int) -> int:
        """End every session of a user; return how many the index listed."""
        index = f"user:{user_id}"
        digests: list[str] = []

        def fill(pipeline: Pipeline) -> None:
            # At once, on the transaction's own connection: the list of another primary may lack sessions.
            members = pipeline.immediate_execute_command("ZRANGE", index, 0, -1)  # type: ignore[no-untyped-call]
            digests[:] = [member.decode() for member in members]
            for digest in digests:
                pipeline.delete(*_keys_of(digest))
                pipeline.zrem(index, digest)

        self._link.transaction(fill)
        return len(digests)


def is_sid(text: str) -> bool:
    """Return whether a text has the format of a session id."""
    return _SID.fullmatch(text) is not None


def fingerprint(sid: str) -> str:
    """Return 8 hex digits that identify a session and reveal neither its id nor its key in Redis."""
    return hashlib.sha256(b"fingerprint:" + sid.encode()).hexdigest()[:8]


def _digest(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def _keys(sid: str) -> tuple[str, str]:
    return _keys_of(_digest(sid))


def _keys_of(digest: str) -> tuple[str, str]:
    return f"sess:{digest}", f"sess:{digest}:visits"


def _encode(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _decode(value: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(value)
        is_ours = isinstance(data, dict) and all(type(data.get(name)) is kind for name, kind in _FIELDS.items())
        if is_ours:
            # JSON can hold a lone surrogate, which no response can encode.
            (data["usuario"] + data["nome"] + data["email"]).encode()
    except (ValueError, RecursionError):
        return None
    return data if is_ours and 0 <= data["created"] < _MAX_TIMESTAMP else None
