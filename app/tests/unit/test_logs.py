"""One JSON line per request, with everything that a search needs and no secrets."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from revezamento import create_app, logs
from revezamento.metrics import Metrics
from revezamento.settings import Settings

REQUEST_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that the app has logged."""
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    logs.configure(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_request_is_one_line(make_settings: Callable[..., Settings], lines: Callable[[], Any]) -> None:
    """It shows the client, the request, the backend, the result and the time."""
    client = create_app(make_settings()).test_client()
    client.get("/perfil?token=secret", headers={"X-Request-Id": REQUEST_ID}, environ_overrides={"REMOTE_ADDR": "::1"})
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert 0 <= line.pop("ms") < 5000
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": REQUEST_ID,
        "backend": "backend7",
        "method": "GET",
        "path": "/perfil",
        "status": 401,
        "client": "::1",
    }


@pytest.mark.parametrize("given", [None, "", "short", "x" * 65, 'x"}\n{"event":"forged', "é" * 10])
def test_a_malformed_request_id_is_replaced(
    make_settings: Callable[..., Settings], lines: Callable[[], Any], given: str | None
) -> None:
    """A client may send anything; the log keeps its format."""
    client = create_app(make_settings()).test_client()
    client.get("/livez", environ_overrides={} if given is None else {"HTTP_X_REQUEST_ID": given})
    (line,) = lines()
    assert len(line["request_id"]) == 32
    assert line["request_id"] != given


def test_neither_cookie_nor_password_nor_body_is_logged(
    make_settings: Callable[..., Settings], lines: Callable[[], Any]
) -> None:
    """Logs are copied to places where sessions and passwords must not appear. Redis is unreachable here."""
    client = create_app(make_settings()).test_client()
    client.set_cookie("sessao", "S" * 43)
    client.post("/login", json={"usuario": "ana", "senha": "segredo-da-ana"})
    written = json.dumps(lines())
    assert "dependency down" in written
    assert "S" * 43 not in written
    assert "segredo-da-ana" not in written


def test_a_traceback_is_one_line_with_the_requests_id(
    make_settings: Callable[..., Settings], lines: Callable[[], Any]
) -> None:
    """An error must be found by the id that nginx has logged."""
    app = create_app(make_settings())

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    app.test_client().get("/broken", headers={"X-Request-Id": REQUEST_ID})
    error, request = lines()
    assert "ZeroDivisionError" in error["exception"]
    assert error["request_id"] == request["request_id"] == REQUEST_ID
    assert request["status"] == 500


def test_a_long_outage_does_not_flood_the_log(lines: Callable[[], Any]) -> None:
    """The request lines already count the failures."""
    report = logs.DownLog(Metrics(multiprocess=False)).report
    for _ in range(100):
        report("redis", ConnectionError("refused"))
        report("mysql", ConnectionError("refused"))
    assert sorted(line["dependency"] for line in lines()) == ["mysql", "redis"]
