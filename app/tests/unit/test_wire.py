"""Responses that need neither Redis nor MySQL: errors, headers, methods."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from revezamento import MAX_BODY_BYTES, create_app
from revezamento.settings import Settings

RIGHT = {"usuario": "ana", "senha": "senha-da-ana"}
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

BAD_BODIES = {
    "nothing": (b"", JSON),
    "broken JSON": (b"{", JSON),
    "a list": (b"[]", JSON),
    "null": (b"null", JSON),
    "no UTF-8": (b'{"usuario":"\xff","senha":"x"}', JSON),
    "nested too deeply": (b"[" * 16_000, JSON),
    "a number of many digits": (b'{"usuario":' + b"1" * 9000 + b',"senha":"x"}', JSON),
    "no password": (b'{"usuario":"ana"}', JSON),
    "no name": (b'{"senha":"x"}', JSON),
    "a number as name": (b'{"usuario":1,"senha":"x"}', JSON),
    "a list as password": (b'{"usuario":"ana","senha":["x"]}', JSON),
    "null as password": (b'{"usuario":"ana","senha":null}', JSON),
    "an empty name": (b'{"usuario":"","senha":"x"}', JSON),
    "an empty password": (b'{"usuario":"ana","senha":""}', JSON),
    "a long name": (json.dumps({"usuario": "x" * 65, "senha": "x"}).encode(), JSON),
    "a long password": (json.dumps({"usuario": "ana", "senha": "x" * 129}).encode(), JSON),
    "NUL in the name": (b'{"usuario":"a\\u0000na","senha":"x"}', JSON),
    "NUL in the password": (b'{"usuario":"ana","senha":"x\\u0000"}', JSON),
    "half a character": (b'{"usuario":"ana","senha":"\\ud800"}', JSON),
    "a newline in the name": (b'{"usuario":"a\\nb","senha":"x"}', JSON),
    "an empty form": (b"", FORM),
    "a form without password": (b"usuario=ana", FORM),
    "a form with NUL": (b"usuario=ana&senha=%00", FORM),
    "JSON called a form": (json.dumps(RIGHT).encode(), FORM),
    "plain text": (b"ana", "text/plain"),
    "no type at all": (json.dumps(RIGHT).encode(), ""),
    "XML": (b"<a/>", "application/xml"),
    "a form of many parts": (b"--x--\r\n", "multipart/form-data; boundary=x"),
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_bad_body_is_refused_without_redis(offline: Any, what: str) -> None:
    """The status is 400, although Redis is unreachable here: the app checks the body first."""
    body, content_type = BAD_BODIES[what]
    answer = offline.post("/login", data=body, content_type=content_type)
    assert answer.status_code == 400
    assert answer.json["erro"]


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_large_body_is_refused(offline: Any, content_type: str) -> None:
    """The largest valid body is a login."""
    answer = offline.post("/login", data=b"x" * (MAX_BODY_BYTES + 1), content_type=content_type)
    assert answer.status_code == 413
    assert answer.json["erro"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/login", {"OPTIONS", "POST"}),
        ("GET", "/logout", {"OPTIONS", "POST"}),
        ("POST", "/perfil", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/perfil", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/sessoes", {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}),
        ("GET", "/sessoes/0123abcd", {"DELETE", "OPTIONS", "POST"}),
        ("POST", "/status", {"GET", "HEAD", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_another_method_is_refused(offline: Any, method: str, path: str, allowed: set[str], accept: str) -> None:
    """A link must not log anybody out, and the response lists the valid methods."""
    answer = offline.open(path, method=method, headers={"Accept": accept})
    assert answer.status_code == 405
    assert answer.mimetype == accept
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_options_lists_the_methods(offline: Any) -> None:
    """It does not need Redis, which is unreachable here."""
    answer = offline.options("/perfil")
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["/", "/perfil/", "/static/x", "/perfil.json", "//perfil", "/%00"])
def test_other_paths_are_not_found(offline: Any, path: str) -> None:
    """nginx serves the static pages, and a route has only one path."""
    assert offline.get(path).status_code == 404


def test_an_anonymous_client_gets_401_without_redis(offline: Any) -> None:
    """Without a cookie there is no session to look up."""
    for method, path in (("GET", "/perfil"), ("GET", "/sessoes")):
        answer = offline.open(path, method=method)
        assert answer.status_code == 401
        assert answer.json["erro"]
        assert "Set-Cookie" not in answer.headers
    for path in ("/sessoes", "/sessoes/0123abcd"):
        assert offline.delete(path).status_code == 401
    assert offline.post("/logout").status_code == 204


@pytest.mark.parametrize("path", ["/perfil", "/sessoes", "/livez", "/metrics", "/nothing-here", "/login"])
def test_every_response_names_its_backend_and_is_not_cached(offline: Any, path: str) -> None:
    """This includes errors: a cache shared between users would leak sessions."""
    headers = offline.get(path).headers
    assert headers["X-Backend"] == "backend7"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Vary"] == "Cookie, Accept, Accept-Language"
    assert "X-Request-Id" not in headers


def test_an_unexpected_error_is_a_proper_response(make_settings: Callable[..., Settings]) -> None:
    """The user gets a sentence, the log gets the traceback."""
    app = create_app(make_settings())

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert answer.json == {"erro": "Algo deu errado do nosso lado."}
    assert answer.headers["X-Backend"] == "backend7"


def test_the_server_name_does_not_restrict_the_host(offline: Any) -> None:
    """Flask's setting of the same name would refuse every other host name."""
    assert offline.get("/livez", base_url="http://www.example.com").status_code == 200
