"""The session routes: log in, show the profile, log out."""

from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from werkzeug.exceptions import BadRequest

from revezamento import deadline
from revezamento.answers import see_other, utc
from revezamento.client_kind import client_kind
from revezamento.errors import RETRY_AFTER_SECONDS, DependencyDown, Refusal
from revezamento.known_devices import cookie_name, device_of, new_cookie
from revezamento.login_limit import Attempt
from revezamento.logs import log
from revezamento.negotiation import wants_html
from revezamento.passwords import Overloaded, is_password
from revezamento.services import services
from revezamento.session_keys import fingerprint
from revezamento.session_store import Origin
from revezamento.sessions import current_session
from revezamento.users import User, canonical

HASH_WAIT_SECONDS = 2.0
"""How long a login waits for a free processor."""

pages = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class _Credentials:
    usuario: str
    senha: str


@pages.post("/login")
def login() -> Response:
    """Check the credentials and start a session: 200 with JSON, or a redirect to the profile for a browser."""
    credentials = _credentials()
    user = services().users.find(credentials.usuario)
    attempt = _attempt(credentials, user)
    limit = services().login_limit
    if wait := limit.wait_seconds(attempt):
        _log_login("limited", credentials.usuario)
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_failures", wait)

    is_right = _is_right(user, credentials)  # also without a user, so that it takes the same time
    if user is None or not is_right:
        limit.failed(attempt)
        _log_login("failed", credentials.usuario)
        raise Refusal(HTTPStatus.UNAUTHORIZED, "login_failed")

    limit.succeeded(attempt)
    origin = Origin(attempt.address, client_kind(request.headers.get("User-Agent", "")))
    current_session().log_in(user.for_session(), origin, new_cookie(user))
    _log_login("ok", user.usuario)
    if wants_html():
        return see_other(url_for("pages.perfil"))
    return jsonify(usuario=user.usuario, nome=user.nome, servidor=services().settings.server_name)


@pages.get("/perfil")
def perfil() -> Response:
    """Show the logged-in user and count the visit; HEAD does not count."""
    current = current_session()
    stored = current.visit(1 if request.method == "GET" else 0)
    if stored is None or current.sid is None:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "not_logged_in")
    profile = {
        "usuario": stored.data["usuario"],
        "nome": stored.data["nome"],
        "email": stored.data["email"],
        "servidor": services().settings.server_name,
        "sessao": fingerprint(current.sid),
        "criada_em": utc(stored.data["created"]),
        "expira_em": utc(stored.expires),
        "visitas": stored.visits,
    }
    if wants_html():
        return make_response(render_template("profile.html", profile=profile))
    return jsonify(profile)


@pages.post("/logout")
def logout() -> Response:
    """End the session on every server, if there is one: 204, or a redirect to the home page for a browser."""
    usuario = current_session().log_out()
    if usuario is not None:
        log.info("logout", usuario=usuario)
    return see_other("/") if wants_html() else Response(status=HTTPStatus.NO_CONTENT)


def _credentials() -> _Credentials:
    if request.mimetype == "application/json":
        body = _json_object()
    elif request.mimetype == "application/x-www-form-urlencoded":
        body = request.form.to_dict()
    else:
        raise Refusal(HTTPStatus.BAD_REQUEST, "unknown_content")

    usuario, senha = body.get("usuario"), body.get("senha")
    if not isinstance(usuario, str) or not isinstance(senha, str):
        raise Refusal(HTTPStatus.BAD_REQUEST, "bad_credentials")
    name = canonical(usuario)
    if name is None or not is_password(senha):
        raise Refusal(HTTPStatus.BAD_REQUEST, "bad_credentials")
    return _Credentials(name, senha)


def _json_object() -> dict[str, Any]:
    try:
        body = request.get_json()
    except RecursionError:
        raise BadRequest from None
    if not isinstance(body, dict):
        raise BadRequest
    return body


def _attempt(credentials: _Credentials, user: User | None) -> Attempt:
    cookie = request.cookies.get(cookie_name(secure=services().settings.cookie_secure), "")
    return Attempt(credentials.usuario, request.remote_addr or "unknown", device_of(cookie, user))


def _is_right(user: User | None, credentials: _Credentials) -> bool:
    """Return whether the user may log in with this password; without a user, False after the same work."""
    users, passwords = services().users, services().passwords
    wait = deadline.left(HASH_WAIT_SECONDS)
    try:
        with deadline.of_work():
            is_right = passwords.verify(user.senha_hash if user else None, credentials.senha, wait)
    except Overloaded:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", RETRY_AFTER_SECONDS) from None
    if user is None or not user.ativo or not is_right:
        return False
    if passwords.needs_rehash(user.senha_hash):
        # If this fails, the next login tries again.
        with suppress(DependencyDown):
            users.set_hash(user.id, passwords.hash(credentials.senha))
    return True


def _log_login(result: str, usuario: str) -> None:
    services().metrics.logins.labels(result).inc()
    log.info("login", result=result, usuario=usuario)
