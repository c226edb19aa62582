"""The names of a session: its id, its fingerprint, and its keys in Redis.

`sess:<hash>` is the session, `sess:<hash>:visits` its counter, `sess:<hash>:login` where it was started, and
`user:<id>` one user's sessions by the end of their lifetime. The last two are written by logins and logouts only.
"""

import hashlib
import re

from redis.client import Pipeline

_SID = re.compile(r"[A-Za-z0-9_-]{43}")


def is_sid(text: str) -> bool:
    """Return whether a text has the format of a session id."""
    return _SID.fullmatch(text) is not None


def fingerprint(sid: str) -> str:
    """Return 8 hex digits that identify a session and reveal neither its id nor its key in Redis."""
    return hashlib.sha256(b"fingerprint:" + sid.encode()).hexdigest()[:8]


def digest_of(sid: str) -> str:
    """Return the hash that stands for a session in Redis."""
    return hashlib.sha256(sid.encode()).hexdigest()


def hot_keys(sid: str) -> tuple[str, str]:
    """Return the keys that every request reads: those of a session and of its counter."""
    key = f"sess:{digest_of(sid)}"
    return key, f"{key}:visits"


def keys_of(digest: str) -> tuple[str, str, str]:
    """Return all keys of a session."""
    return f"sess:{digest}", f"sess:{digest}:visits", login_key(digest)


def login_key(digest: str) -> str:
    """Return the key that says where a session was started."""
    return f"sess:{digest}:login"


def index_of(user_id: int) -> str:
    """Return the key of the list of a user's sessions."""
    return f"user:{user_id}"


def forget(pipeline: Pipeline, user_id: int | None, digest: str) -> None:
    """Queue the commands that end a session."""
    pipeline.delete(*keys_of(digest))
    if user_id is not None:
        pipeline.zrem(index_of(user_id), digest)
