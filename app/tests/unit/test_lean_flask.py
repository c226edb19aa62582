"""What is left out makes no difference: answers are those of plain Flask."""

import json
from typing import Any, TypeVar

import pytest
from flask import Flask, jsonify, request, url_for

from revezamento import lean_flask
from revezamento.lean_flask import LeanFlask

_App = TypeVar("_App", bound=Flask)


def with_routes(app: _App) -> _App:
    """Routes that show all that routing decides."""

    @app.route("/plain", methods=["GET", "POST"])
    def plain() -> dict[str, Any]:
        return {"rule": str(request.url_rule), "host": request.host, "query": request.query_string.decode(), **links()}

    @app.get("/folder/")
    def folder() -> dict[str, Any]:
        return {"rule": str(request.url_rule), "root": request.root_path, **links()}

    def links() -> dict[str, str]:
        return {"path": url_for("plain"), "url": url_for("plain", _external=True)}

    return app


def shown(answer: Any) -> tuple[Any, ...]:
    return answer.status_code, answer.headers.get("Location"), answer.headers.get("Allow"), answer.text


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/plain"},
        {"path": "/plain", "method": "POST"},
        {"path": "/plain", "method": "DELETE"},
        {"path": "/plain", "method": "OPTIONS"},
        {"path": "/plain?a=b"},
        {"path": "/plain/"},
        {"path": "/folder"},
        {"path": "/folder?a=b"},
        {"path": "/folder/"},
        {"path": "//plain"},
        {"path": "/%C3%A9"},
        {"path": "/plain", "base_url": "http://www.example.com"},
        {"path": "/plain", "base_url": "https://www.example.com:8443"},
        {"path": "/plain", "base_url": "http://www.example.com/below"},
        {"path": "/plain", "headers": {"Host": "a b/c"}},
        {"path": "/plain", "headers": {"Host": ""}},
        {"path": "/plain", "headers": {"Connection": "Upgrade", "Upgrade": "websocket"}},
    ],
)
def test_requests_are_routed_as_by_flask(options: dict[str, Any]) -> None:
    """The second answer comes from memory."""
    expected = shown(with_routes(Flask("plain")).test_client().open(**options))
    client = with_routes(LeanFlask("lean")).test_client()
    for _ in range(2):
        client.open("/plain", base_url="http://other.example.com")
        status, location, allowed, text = shown(client.open(**options))
        assert (status, location, allowed) == expected[:3]
        assert text == expected[3] or json.loads(text) == json.loads(expected[3])


def test_a_client_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may invent any number of paths and hosts."""
    monkeypatch.setattr(lean_flask, "_ADAPTERS", 3)
    app = with_routes(LeanFlask("lean"))
    for number in range(10):
        assert app.test_client().get("/plain", base_url=f"http://{number}.example.com").status_code == 200
        assert app.test_client().get(f"/{number}").status_code == 404
    assert len(app._adapters) <= 3


def test_json_is_compact_and_keeps_order_and_letters() -> None:
    """The documented format."""
    app = LeanFlask("lean")

    @app.get("/")
    def get() -> Any:
        return jsonify(b="ção", a=[1, None])

    assert app.test_client().get("/").text == '{"b":"ção","a":[1,null]}\n'
