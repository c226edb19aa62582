"""All sessions of one user: to list them, to end one, or to end them all.

The list is read from an index that logins and logouts write. Sessions that have expired since are skipped, and removed
from it.
"""

import hashlib
import json
from dataclasses import dataclass
from time import time
from typing import Any

from redis.client import Pipeline

from revezamento.redis_link import RedisLink
from revezamento.session_keys import digest_of, forget, index_of
from revezamento.session_store import SessionStore, decode

MAX_SHOWN = 50
"""More are not worth reading: a program that logs in for every request starts thousands."""

MAX_SEARCHED = 10_000
"""Only so many of a user's latest sessions are looked at, since Redis serves nobody else meanwhile (5 to 10 ms)."""

_LIST = """
local found = {}
local digests = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'REV')
local total = #digests
for _, digest in ipairs(digests) do
  local key = 'sess:' .. digest
  local seconds = redis.call('TTL', key)
  if seconds == -2 then
    redis.call('ZREM', KEYS[1], digest)
    total = total - 1
  elseif #found < tonumber(ARGV[2]) or digest == ARGV[3] then
    local session, login = redis.pcall('GET', key), redis.pcall('GET', key .. ':login')
    if type(session) == 'string' then
      found[#found + 1] = {digest, session, seconds, type(login) == 'string' and login}
    end
  end
end
return {total, found}
"""


@dataclass(frozen=True, slots=True)
class ListedSession:
    """One of a user's sessions.

    Attributes:
        created: when it was started, in seconds since 1970.
        used: the same for its last request.
        address: where it was started; None if that is not known.
        client: the kind of client that started it, such as "Firefox, Linux"; None if that is not known.
    """

    digest: str
    fingerprint: str
    created: int
    used: int
    address: str | None
    client: str | None


class SessionList:
    """The sessions of each user; safe to share between threads, every method may raise `DependencyDown`.

    A session that has been ended stays so, also if another Redis becomes the primary.
    """

    def __init__(self, link: RedisLink, store: SessionStore) -> None:
        self._link = link
        self._idle, self._lifetime = store.idle, store.lifetime
        self._list = link.script(_LIST)

    def of(self, user_id: int, current: str) -> tuple[int, list[ListedSession]]:
        """Return how many sessions a user has, and the latest of them; the session with id `current` is always one."""
        total, rows = self._list([index_of(user_id)], [MAX_SEARCHED, MAX_SHOWN, digest_of(current)])
        return total, self._listed(rows)

    def end(self, user_id: int, fingerprint: str) -> bool:
        """End a user's session; return whether there was one with this fingerprint.

        A replica has confirmed the answer, also if it is no: an earlier attempt may have ended the session unconfirmed.
        """
        digests: set[str] = set()

        def fill(pipeline: Pipeline) -> None:
            # From the transaction's own server: the list of another primary may lack sessions.
            _, rows = self._list.on(pipeline, [index_of(user_id)], [MAX_SEARCHED, MAX_SEARCHED, ""])
            digests.update(one.digest for one in self._listed(rows) if one.fingerprint == fingerprint)
            for digest in digests:
                forget(pipeline, user_id, digest)

        self._link.transaction(fill)
        return bool(digests)

    def end_all(self, user_id: int, but: str | None = None) -> int:
        """End every session of a user, except the one with the id `but`; return how many the index listed."""
        kept = digest_of(but) if but else None
        digests: set[str] = set()

        def fill(pipeline: Pipeline) -> None:
            members = pipeline.immediate_execute_command("ZRANGE", index_of(user_id), 0, -1)  # type: ignore[no-untyped-call]
            digests.update(member.decode() for member in members)
            digests.discard(kept or "")
            for digest in digests:
                forget(pipeline, user_id, digest)

        self._link.transaction(fill)
        return len(digests)

    def _listed(self, rows: list[Any]) -> list[ListedSession]:
        now = int(time())
        return [one for row in rows if (one := self._one(now, *row))]

    def _one(self, now: int, digest: bytes, session: bytes, seconds: int, login: bytes | None) -> ListedSession | None:
        data = decode(session)
        if data is None or data["created"] + self._lifetime <= now:
            return None
        # Every use sets the time to live to the same value: no request has to write down when it was.
        used = max(data["created"], min(now, now - self._idle + seconds))
        known = _decode_login(login) or {}
        # A release without this list has left no login; such a session needs a name as well.
        fingerprint = known.get("fingerprint") or hashlib.sha256(digest).hexdigest()[:8]
        return ListedSession(
            digest.decode(), fingerprint, data["created"], used, known.get("address"), known.get("client")
        )


def _decode_login(value: bytes | None) -> dict[str, str | None] | None:
    try:
        login = json.loads(value or b"null")
    except ValueError:
        return None
    is_ours = isinstance(login, dict) and all(isinstance(text, str | None) for text in login.values())
    return login if is_ours else None
