"""Error responses: JSON for programs, a plain page for browsers."""

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template
from werkzeug.exceptions import HTTPException

from revezamento.messages import Message
from revezamento.negotiation import text, wants_html

RETRY_AFTER_SECONDS = 2
"""`Retry-After` of a 503: longer than Redis or MySQL usually takes to restart, short enough for a person."""

_BY_STATUS: dict[int, Message] = {
    403: "cross_site",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    503: "unavailable",
}


class DependencyDown(Exception):
    """Redis or MySQL did not serve a call in time."""

    def __init__(self, dependency: str) -> None:
        super().__init__(f"{dependency} is down")
        self.dependency = dependency


class Refusal(HTTPException):
    """An error response with a status and a message of the app.

    Args:
        status: HTTP status code, 400 or above.
        message: key of the text in `revezamento.messages`.
        retry_after: seconds after which the client may try again.
    """

    def __init__(self, status: int, message: Message, retry_after: int | None = None) -> None:
        super().__init__()
        self.code = status
        self.message: Message = message
        self.retry_after = retry_after

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """Add `Retry-After` to the headers of the response."""
        headers = super().get_headers(*args, **kwargs)
        return headers if self.retry_after is None else [*headers, ("Retry-After", str(self.retry_after))]


def init_app(app: Flask) -> None:
    """Render HTTP errors and unavailable dependencies in the client's format and language."""
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(DependencyDown, _answer_down)


def _answer_down(_: DependencyDown) -> Response:
    return _answer(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", RETRY_AFTER_SECONDS))


def _answer(error: HTTPException) -> Response:
    # Saving the session may fail after the view; Flask then wraps the error in a 500.
    original = getattr(error, "original_exception", None)
    if isinstance(original, DependencyDown):
        return _answer_down(original)

    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    message = error.message if isinstance(error, Refusal) else _message_for(status)
    if wants_html():
        response = make_response(render_template("error.html", status=status, message=text(message)), status)
    else:
        response = make_response(jsonify(erro=text(message)), status)
    response.headers.extend([header for header in error.get_headers() if header[0] != "Content-Type"])
    return response


def _message_for(status: int) -> Message:
    return _BY_STATUS.get(status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")
