"""Flask's session, kept in a `SessionStore` instead of in the cookie."""

from collections.abc import Iterator
from typing import Any, cast

from flask import Flask
from flask.sessions import SessionInterface, SessionMixin
from flask.wrappers import Request, Response

from revezamento.session_store import SessionStore, StoredSession, is_sid
from revezamento.settings import Settings


class Session(SessionMixin):
    """The session of one request, read from Redis at its first use: routes that do not use it cost nothing."""

    modified = False

    def __init__(self, store: SessionStore, sid: str | None) -> None:
        self._store = store
        self._stored: StoredSession | None = None
        self._is_read = sid is None
        self.sid = sid
        self.cookie_changed = False

    def visit(self, visits: int = 1) -> StoredSession | None:
        """Count a visit and return the session, None where nobody is logged in; one round trip."""
        if self.sid:
            self._stored = self._store.read(self.sid, visits)
        self._is_read = True
        return self._stored

    def log_in(self, user: dict[str, Any]) -> None:
        """Start a new session, under a new id, of a user (`id`, `usuario`, `nome`, `email`); the old one ends."""
        self.sid, self._stored = self._store.create(user, replaces=self.sid)
        self._is_read = self.cookie_changed = True

    def log_out(self) -> str | None:
        """End the session; return who it was, None where nobody was logged in."""
        data = self._data
        if self.sid:
            self._store.delete(self.sid, data.get("id"))
        self.sid, self._stored = None, None
        self.modified = False
        self.cookie_changed = True
        return data.get("usuario")

    def save(self) -> None:
        """Write back what was changed."""
        if self.modified and self.sid:
            self.modified = False
            self._store.write(self.sid, self._data)

    @property
    def _data(self) -> dict[str, Any]:
        if not self._is_read:
            self.visit(0)
        return self._stored.data if self._stored else {}

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not self._data:
            raise RuntimeError("nobody is logged in: only log_in starts a session")
        self._data[key] = value
        self.modified = True

    def __delitem__(self, key: str) -> None:
        del self._data[key]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


class RedisSessions(SessionInterface):
    """Flask's door to the sessions: from the cookie, and back into it at login and logout."""

    def __init__(self, store: SessionStore, settings: Settings) -> None:
        self._store = store
        self._cookie = settings.cookie_name
        self._secure = settings.cookie_secure

    def open_session(self, app: Flask, request: Request) -> Session:
        """Return the request's session; an id that is not of our shape is no id and never reaches Redis."""
        sid = request.cookies.get(self._cookie, "")
        return Session(self._store, sid if is_sid(sid) else None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Save what the view changed, and tell the browser about a new or an ended session."""
        current = cast("Session", session)
        current.save()
        if current.cookie_changed and current.sid:
            response.set_cookie(
                self._cookie, current.sid, self._store.lifetime, secure=self._secure, httponly=True, samesite="Lax"
            )
        elif current.cookie_changed:
            response.delete_cookie(self._cookie, secure=self._secure, httponly=True, samesite="Lax")
