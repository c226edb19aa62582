"""Flask's session, kept in a `SessionStore` instead of the cookie."""

from collections.abc import Iterator
from typing import Any, cast

from flask import Flask, session
from flask.sessions import SessionInterface, SessionMixin
from flask.wrappers import Request, Response

from revezamento.known_devices import COOKIE_PATH, COOKIE_SECONDS, cookie_name
from revezamento.session_keys import is_sid
from revezamento.session_store import Origin, SessionStore, StoredSession
from revezamento.settings import Settings


class Session(SessionMixin):
    """The session of one request, read from Redis on first use, so that other routes cost nothing."""

    modified = False

    def __init__(self, store: SessionStore, sid: str | None) -> None:
        self._store = store
        self._stored: StoredSession | None = None
        self._is_read = sid is None
        self.sid = sid
        self.cookie_changed = False
        self.device_cookie: str | None = None

    def visit(self, visits: int = 1) -> StoredSession | None:
        """Count a visit and return the session, or None if nobody is logged in; takes one round trip."""
        if self.sid:
            self._stored = self._store.read(self.sid, visits)
        self._is_read = True
        return self._stored

    def log_in(self, user: dict[str, Any], origin: Origin, device_cookie: str) -> None:
        """Start a session with a new id for a user (`id`, `usuario`, `nome`, `email`), and end the old one.

        The browser also gets a cookie by which later logins recognize it.
        """
        self.sid, self._stored = self._store.create(user, origin, replaces=self.sid)
        self._is_read = self.cookie_changed = True
        self.device_cookie = device_cookie

    def log_out(self) -> str | None:
        """End the session; return its user's name, or None if nobody was logged in."""
        data = self._data
        if self.sid:
            self._store.delete(self.sid, data.get("id"))
        self.sid, self._stored = None, None
        self.modified = False
        self.cookie_changed = True
        return data.get("usuario")

    def save(self) -> None:
        """Save the changes, if any."""
        if self.modified and self.sid:
            self.modified = False
            self._store.write(self.sid, self._data)

    @property
    def user_id(self) -> int | None:
        """The logged-in user, or None."""
        return self._data.get("id")

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


def current_session() -> Session:
    """Return the session of the request that is being handled."""
    return cast("Session", session)


class RedisSessions(SessionInterface):
    """Flask's session interface: reads the id from the cookie, and sets the cookie at login and logout."""

    def __init__(self, store: SessionStore, settings: Settings) -> None:
        self._store = store
        self._cookie = settings.cookie_name
        self._secure = settings.cookie_secure

    def open_session(self, app: Flask, request: Request) -> Session:
        """Return the request's session; an id in another format is ignored and never reaches Redis."""
        # Usually it is the only cookie, and nothing has to be parsed.
        name, _, sid = request.environ.get("HTTP_COOKIE", "").partition("=")
        if name != self._cookie or not is_sid(sid):
            sid = request.cookies.get(self._cookie, "")
        return Session(self._store, sid if is_sid(sid) else None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Save the changes, and update the cookie if a session has started or ended."""
        current = cast("Session", session)
        current.save()
        if current.cookie_changed and current.sid:
            response.set_cookie(
                self._cookie, current.sid, self._store.lifetime, secure=self._secure, httponly=True, samesite="Lax"
            )
        elif current.cookie_changed:
            response.delete_cookie(self._cookie, secure=self._secure, httponly=True, samesite="Lax")
        if current.device_cookie:
            response.set_cookie(
                cookie_name(secure=self._secure),
                current.device_cookie,
                COOKIE_SECONDS,
                path=COOKIE_PATH,
                secure=self._secure,
                httponly=True,
                samesite="Lax",
            )
