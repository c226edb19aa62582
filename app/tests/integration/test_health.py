"""The health routes, with and without an outage."""

import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.conftest import fields, log_in, wait_until
from tests.relay import Relay

pytestmark = pytest.mark.deadlines


def test_status_shows_server_release_and_the_speed_of_both(client: FlaskClient) -> None:
    """The documented response."""
    answer = client.get("/status")
    assert answer.status_code == 200
    body = fields(answer)
    assert list(body) == ["servidor", "versao", "desde", "redis", "mysql"]
    assert (body["servidor"], body["versao"]) == ("Servidor 7", "1.2.3")
    assert body["desde"].endswith("Z")
    for name in ("redis", "mysql"):
        assert body[name]["ok"] is True
        assert 0 <= body[name]["ms"] < 1000
        assert body[name]["ms"] == round(body[name]["ms"], 1)


@pytest.mark.parametrize("how", ["refuse", "freeze"])
def test_status_answers_well_in_time_with_both_down(
    client: FlaskClient, redis_wire: Relay, mysql_wire: Relay, how: str
) -> None:
    """People look at it during an outage, so it must not hang itself."""
    client.get("/status")
    for wire in (redis_wire, mysql_wire):
        getattr(wire, how)()
    started = time.monotonic()
    answer = client.get("/status")
    assert time.monotonic() - started < 2.6
    assert answer.status_code == 200
    assert fields(answer)["redis"] == fields(answer)["mysql"] == {"ok": False, "ms": None}
    for wire in (redis_wire, mysql_wire):
        wire.restore()
    assert fields(client.get("/status"))["mysql"]["ok"] is True


def test_status_does_not_ask_again_at_once(
    make_app: Callable[..., Flask], redis_wire: Relay, mysql_wire: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every open page asks every backend."""
    monkeypatch.setattr("revezamento.STATUS_SECONDS", 60)
    client = make_app().test_client()
    first = fields(client.get("/status"))
    before = redis_wire.questions, mysql_wire.questions
    assert fields(client.get("/status")) == first
    assert (redis_wire.questions, mysql_wire.questions) == before


def test_livez_needs_no_dependency(client: FlaskClient, redis_wire: Relay, mysql_wire: Relay) -> None:
    """A restart of this process would not bring Redis back."""
    redis_wire.refuse()
    mysql_wire.refuse()
    assert client.get("/livez").status_code == 200


def test_readyz_follows_redis_and_not_mysql(client: FlaskClient, redis_wire: Relay, mysql_wire: Relay) -> None:
    """Without MySQL a backend still serves logged-in users."""
    mysql_wire.refuse()
    assert client.get("/readyz").status_code == 200
    redis_wire.refuse()
    wait_until(lambda: client.get("/readyz").status_code == 503)
    redis_wire.restore()
    wait_until(lambda: client.get("/readyz").status_code == 200)


def test_readyz_asks_redis_once_a_second(client: FlaskClient, redis_wire: Relay) -> None:
    """Every load balancer asks every backend."""
    client.get("/readyz")
    before = redis_wire.answers
    for _ in range(20):
        client.get("/readyz")
    assert redis_wire.answers <= before + 1


def test_metrics_count_requests_logins_and_failures(client: FlaskClient, redis_wire: Relay) -> None:
    """Alerts are based on these counters."""
    log_in(client)
    client.post("/login", json={"usuario": "ana", "senha": "errada"})
    client.get("/one-of-many-unknown-paths")
    client.open("/perfil", method="PROPFIND")
    redis_wire.refuse()
    client.get("/perfil")
    text = client.get("/metrics").text
    assert 'revezamento_requests_total{method="POST",route="/login",status="200"} 1.0' in text
    assert 'revezamento_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert 'revezamento_requests_total{method="other",route="/perfil",status="405"} 1.0' in text
    assert 'revezamento_logins_total{result="ok"} 1.0' in text
    assert 'revezamento_logins_total{result="failed"} 1.0' in text
    assert 'revezamento_dependency_errors_total{dependency="redis"} 1.0' in text
