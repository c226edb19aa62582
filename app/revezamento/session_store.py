"""Sessions in Redis: the cookie holds a random id, Redis holds JSON under the id's hash.

Only a login creates a session, and no read or write brings it back after a logout.
"""

import json
import secrets
from dataclasses import dataclass
from time import time
from typing import Any

from redis.client import Pipeline

from revezamento.logs import log
from revezamento.metrics import Metrics
from revezamento.redis_link import RedisLink, WrongType
from revezamento.session_keys import digest_of, fingerprint, forget, hot_keys, index_of, keys_of, login_key
from revezamento.settings import Settings

_SID_BYTES = 32
_MAX_TIMESTAMP = 2**32
_FIELDS = {"id": int, "usuario": str, "nome": str, "email": str, "created": int}

READ = """
local value = redis.call('GETEX', KEYS[1], 'EX', ARGV[1])
if not value then return false end
local visits = redis.call('INCRBY', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return {value, visits}
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a login comes from: the client's address, and its kind if known."""

    address: str
    client: str | None


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
        self.idle = min(settings.session_idle_seconds, self.lifetime)
        self._read = link.script(READ)

    def create(self, user: dict[str, Any], origin: Origin, replaces: str | None) -> tuple[str, StoredSession]:
        """Start a session with a new id for a user (`id`, `usuario`, `nome`, `email`); end the session `replaces`."""
        now = int(time())
        sid = secrets.token_urlsafe(_SID_BYTES)
        digest = digest_of(sid)
        data = {**user, "created": now}
        login = {"fingerprint": fingerprint(sid), "address": origin.address, "client": origin.client}
        index = index_of(user["id"])

        def fill(pipeline: Pipeline) -> None:
            if replaces:
                forget(pipeline, user["id"], digest_of(replaces))
            pipeline.set(hot_keys(sid)[0], _encode(data), ex=self.idle)
            pipeline.set(login_key(digest), _encode(login), ex=self.lifetime)
            pipeline.zremrangebyscore(index, "-inf", now)
            pipeline.zadd(index, {digest: now + self.lifetime})
            pipeline.expire(index, self.lifetime)

        self._link.transaction(fill)
        return sid, StoredSession(data, 0, now + self.idle)

    def read(self, sid: str, visits: int = 0) -> StoredSession | None:
        """Return a session or None, renew its idle time, and add `visits` to its counter.

        Takes one round trip. A session that is unreadable or past its lifetime is deleted.
        """
        try:
            found = self._read(hot_keys(sid), (self.idle, visits))
        except WrongType:
            found = [b"", 0]
        if found is None:
            return None
        data = decode(found[0])
        if data is None:
            self._metrics.corrupt_sessions.inc()
            log.error("session corrupt", key=hot_keys(sid)[0])
        now = int(time())
        end = data["created"] + self.lifetime if data else now
        if data is None or end <= now:
            self._link.run(lambda client: client.delete(*keys_of(digest_of(sid))))
            return None
        return StoredSession(data, found[1], min(now + self.idle, end))

    def write(self, sid: str, data: dict[str, Any]) -> None:
        """Replace a session's data; a session that has ended in the meantime stays ended."""
        # Reading has just renewed the session and its counter: both must keep the same expiry time.
        self._link.run(lambda client: client.set(hot_keys(sid)[0], _encode(data), xx=True, keepttl=True))

    def delete(self, sid: str, user_id: int | None) -> None:
        """End a session on every server at once."""
        self._link.transaction(lambda pipeline: forget(pipeline, user_id, digest_of(sid)))


def _encode(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def decode(value: bytes) -> dict[str, Any] | None:
    """Return a session's data, or None if it is unreadable."""
    try:
        data = json.loads(value)
        is_ours = isinstance(data, dict) and all(type(data.get(name)) is kind for name, kind in _FIELDS.items())
        if is_ours:
            # JSON can hold a lone surrogate, which no response can encode.
            (data["usuario"] + data["nome"] + data["email"]).encode()
    except (ValueError, RecursionError):
        return None
    return data if is_ours and 0 <= data["created"] < _MAX_TIMESTAMP else None
