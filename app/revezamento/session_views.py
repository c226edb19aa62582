"""The routes of a user's own sessions: list them, end one, end them all.

Forms cannot send DELETE: a POST does the same, so that the page works without JavaScript.
"""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, make_response, render_template

from revezamento.answers import see_other, utc
from revezamento.errors import Refusal
from revezamento.logs import log
from revezamento.negotiation import wants_html
from revezamento.services import services
from revezamento.session_keys import digest_of, fingerprint
from revezamento.sessions import Session, current_session

own_sessions = Blueprint("own_sessions", __name__)


@own_sessions.get("/sessoes")
def sessoes() -> Response:
    """List the user's sessions, the latest first; `total` also counts those that are not shown."""
    current = current_session()
    if current.user_id is None or current.sid is None:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "not_logged_in")
    total, found = services().session_list.of(current.user_id, current.sid)
    own = digest_of(current.sid)
    rows = [
        {
            "sessao": one.fingerprint,
            "criada_em": utc(one.created),
            "usada_em": utc(one.used),
            "endereco": one.address,
            "cliente": one.client,
            "atual": one.digest == own,
        }
        for one in found
    ]
    if wants_html():
        return make_response(render_template("sessions.html", total=total, sessions=rows))
    return jsonify(total=total, sessoes=rows)


@own_sessions.route("/sessoes/<impressao>", methods=["DELETE", "POST"])
def encerrar(impressao: str) -> Response:
    """End one of the user's sessions on every server: 204, or a redirect to what is left for a browser."""
    current = current_session()
    user_id = _user_id(current)
    if current.sid and impressao == fingerprint(current.sid):
        current.log_out()
        where = "/"
    elif services().session_list.end(user_id, impressao):
        where = "/sessoes"
    else:
        raise Refusal(HTTPStatus.NOT_FOUND, "no_such_session")
    log.info("session ended", session=impressao)
    return _done(where)


@own_sessions.route("/sessoes", methods=["DELETE", "POST"])
def encerrar_todas() -> Response:
    """End all of the user's sessions on every server: 204, or a redirect to the home page for a browser."""
    current = current_session()
    # The current one last: if an attempt fails halfway, the user can repeat it.
    ended = services().session_list.end_all(_user_id(current), but=current.sid)
    usuario = current.log_out()
    log.info("logout everywhere", usuario=usuario, sessions=ended + 1)
    return _done("/")


def _user_id(current: Session) -> int:
    """Return the logged-in user, or refuse.

    The refusal says that the session has ended. Perhaps an earlier attempt has just ended it, unconfirmed: `log_out`
    waits until a replica has that, too.
    """
    user_id = current.user_id
    if user_id is None:
        current.log_out()
        raise Refusal(HTTPStatus.UNAUTHORIZED, "not_logged_in")
    return user_id


def _done(where: str) -> Response:
    return see_other(where) if wants_html() else Response(status=HTTPStatus.NO_CONTENT)
