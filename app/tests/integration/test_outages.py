"""Redis or MySQL is down, slow or restarted: the app answers in time, logs nobody out, and recovers by itself."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy
from flask import Flask, session
from flask.testing import FlaskClient

from revezamento.errors import DependencyDown
from tests.integration.conftest import SENHAS, fields, log_in, use_cookie
from tests.relay import Relay

pytestmark = pytest.mark.deadlines

RIGHT = {"usuario": "ana", "senha": SENHAS["ana"]}
DATA_BUDGET_SECONDS = 3.0


def break_wire(wire: Relay, how: str) -> None:
    {"refused": wire.refuse, "frozen": wire.freeze}[how]()


def assert_unavailable(answer: Any) -> None:
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert fields(answer)["erro"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_without_redis_nobody_is_logged_out(client: FlaskClient, redis_wire: Relay, how: str) -> None:
    """The cookie is kept, so the session continues when Redis is back."""
    sid = log_in(client)
    client.get("/perfil")
    break_wire(redis_wire, how)
    started = time.monotonic()
    assert_unavailable(client.get("/perfil"))
    assert_unavailable(client.post("/logout"))
    assert_unavailable(client.post("/login", json=RIGHT))
    assert time.monotonic() - started < 3 * DATA_BUDGET_SECONDS
    redis_wire.restore()
    answer = use_cookie(client, sid).get("/perfil")
    assert answer.status_code == 200
    assert fields(answer)["visitas"] >= 2


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_an_outage_of_redis_is_answered_within_the_budget(client: FlaskClient, redis_wire: Relay, how: str) -> None:
    """nginx gives up after 5 s, and requests must not pile up during a long outage."""
    log_in(client)
    break_wire(redis_wire, how)
    for limit in (2.5, 0.9):
        started = time.monotonic()
        assert_unavailable(client.get("/perfil"))
        assert time.monotonic() - started < limit


def test_a_browser_gets_a_page_about_the_outage(client: FlaskClient, redis_wire: Relay) -> None:
    """People do not read JSON."""
    log_in(client)
    redis_wire.refuse()
    answer = client.get("/perfil", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "ninguém foi desconectado" in answer.text


def test_the_first_request_after_a_restart_of_redis_succeeds(client: FlaskClient, redis_wire: Relay) -> None:
    """The pooled connections are dead then; the app must notice, not the user."""
    log_in(client)
    client.get("/perfil")
    redis_wire.cut()
    assert fields(client.get("/perfil"))["visitas"] == 2


def test_a_request_survives_a_short_restart_of_redis(client: FlaskClient, redis_wire: Relay) -> None:
    """A restart takes less than the retry budget, so users do not notice it."""
    log_in(client)
    redis_wire.refuse()
    threading.Timer(0.4, redis_wire.restore).start()
    assert client.get("/perfil").status_code == 200


def test_an_emptied_script_cache_is_refilled(client: FlaskClient, store: redis.Redis) -> None:
    """A restarted Redis has lost the app's scripts."""
    log_in(client)
    store.script_flush()
    assert fields(client.get("/perfil"))["visitas"] == 1


def test_a_request_survives_a_short_stall_of_redis(client: FlaskClient, redis_wire: Relay) -> None:
    """A busy disk may block Redis for longer than one call's deadline; that is not an outage."""
    log_in(client)
    client.get("/perfil")
    redis_wire.freeze()
    before = redis_wire.questions
    threading.Timer(0.5, redis_wire.restore).start()
    assert client.get("/perfil").status_code == 200
    assert redis_wire.questions > before + 1


def test_a_full_redis_refuses_logins_and_keeps_existing_sessions(client: FlaskClient, store: redis.Redis) -> None:
    """With `noeviction`, Redis does not drop sessions to make room; only new ones are refused."""
    log_in(client)
    limit = store.config_get("maxmemory")["maxmemory"] or "0"
    try:
        store.config_set("maxmemory", 1)
        assert_unavailable(client.post("/login", json=RIGHT))
        assert client.get("/perfil").status_code == 200
    finally:
        store.config_set("maxmemory", limit)
    assert client.post("/login", json=RIGHT).status_code == 200


def test_a_change_that_cannot_be_saved_is_an_error(app: Flask, redis_wire: Relay) -> None:
    """Saving happens after the view; its failure must not look like a success."""

    @app.post("/colour")
    def colour() -> str:
        session["colour"] = "blue"
        redis_wire.refuse()
        return "saved"

    client = app.test_client()
    log_in(client)
    assert_unavailable(client.post("/colour"))


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_without_mysql_only_the_login_fails(client: FlaskClient, mysql_wire: Relay, how: str) -> None:
    """Logged-in users are unaffected by a MySQL outage, and logins recover by themselves."""
    log_in(client)
    break_wire(mysql_wire, how)
    started = time.monotonic()
    assert_unavailable(client.post("/login", json=RIGHT))
    assert time.monotonic() - started < DATA_BUDGET_SECONDS
    assert client.get("/perfil").status_code == 200
    assert client.post("/logout").status_code == 204
    mysql_wire.restore()
    assert client.post("/login", json=RIGHT).status_code == 200


def test_a_failed_login_that_was_not_checked_does_not_count(client: FlaskClient, mysql_wire: Relay) -> None:
    """An outage must not use up a user's attempts."""
    mysql_wire.refuse()
    for _ in range(6):
        assert_unavailable(client.post("/login", json=RIGHT))
    mysql_wire.restore()
    assert client.post("/login", json=RIGHT).status_code == 200


def test_the_first_login_after_a_restart_of_mysql_succeeds(client: FlaskClient, mysql_wire: Relay) -> None:
    """Pooled connections are checked before they are used."""
    log_in(client)
    mysql_wire.cut()
    assert client.post("/login", json=RIGHT).status_code == 200


def test_the_second_address_of_mysql_serves_when_the_first_does_not(make_app: Any, mysql_wire: Relay) -> None:
    """A second server only needs a longer list in the inventory."""
    client = make_app(mysql=(("127.0.0.1", 1), mysql_wire.address)).test_client()
    assert client.post("/login", json=RIGHT).status_code == 200


@pytest.fixture
def second_wire(mysql_server: Any) -> Iterator[Relay]:
    """Another way to the same MariaDB: to the app, a second server."""
    relay = Relay(mysql_server[1])
    yield relay
    relay.restore()
    relay.refuse()


@pytest.fixture
def cluster(make_app: Any, mysql_wire: Relay, second_wire: Relay) -> Flask:
    """An app with two servers, of which it prefers the first."""
    app: Flask = make_app(mysql=(mysql_wire.address, second_wire.address))
    assert app.test_client().post("/login", json=RIGHT).status_code == 200
    assert second_wire.questions == 0
    return app


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_a_login_moves_on_to_the_next_mysql(cluster: Flask, mysql_wire: Relay, how: str) -> None:
    """Also if a pooled connection leads to the dead server; the logins after that do not wait for it."""
    break_wire(mysql_wire, how)
    for limit in (DATA_BUDGET_SECONDS, 1.0):
        started = time.monotonic()
        assert cluster.test_client().post("/login", json=RIGHT).status_code == 200
        assert time.monotonic() - started < limit


def test_logins_return_to_the_preferred_mysql(
    cluster: Flask, mysql_wire: Relay, second_wire: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All backends use the same server, so that writes do not conflict."""
    monkeypatch.setattr("revezamento.database.ASIDE_SECONDS", 0.1)
    client = cluster.test_client()
    mysql_wire.refuse()
    assert client.post("/login", json=RIGHT).status_code == 200
    mysql_wire.restore()
    time.sleep(0.1)
    assert client.post("/login", json=RIGHT).status_code == 200
    before = second_wire.questions
    assert client.post("/login", json=RIGHT).status_code == 200
    assert second_wire.questions == before


def test_status_says_which_mysql_is_used(
    cluster: Flask, mysql_wire: Relay, second_wire: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its position in the settings, and which ones the cluster says are its members."""
    client = cluster.test_client()
    assert fields(client.get("/status"))["mysql"].keys() == {"ok", "ms", "used"}  # not a cluster in fact
    addresses = ",".join("{}:{}".format(*wire.address) for wire in (second_wire, mysql_wire))
    monkeypatch.setattr("revezamento.database._MEMBERS", f"SELECT 'wsrep_incoming_addresses', '{addresses}'")
    mysql_wire.refuse()
    body = fields(client.get("/status"))["mysql"]
    assert (body["ok"], body["used"], body["members"]) == (True, 2, [1, 2])
    second_wire.refuse()
    assert fields(client.get("/status"))["mysql"] == {"ok": False, "ms": None, "members": []}


@pytest.mark.parametrize(("shown", "members"), [("AUTO,AUTO", {}), ("", {}), ("{first}", {"members": [1]})])
def test_members_that_are_not_known_are_not_counted(
    cluster: Flask, mysql_wire: Relay, monkeypatch: pytest.MonkeyPatch, shown: str, members: dict[str, Any]
) -> None:
    """To leave one out would mean that it is not in the cluster."""
    shown = shown.format(first="{}:{}".format(*mysql_wire.address))
    monkeypatch.setattr("revezamento.database._MEMBERS", f"SELECT 'wsrep_incoming_addresses', '{shown}'")
    body = fields(cluster.test_client().get("/status"))["mysql"]
    assert {name: body[name] for name in body if name == "members"} == members


def test_status_is_in_time_with_all_mysql_down(cluster: Flask, mysql_wire: Relay, second_wire: Relay) -> None:
    """It asks each server once."""
    mysql_wire.freeze()
    second_wire.freeze()
    started = time.monotonic()
    assert fields(cluster.test_client().get("/status"))["mysql"]["ok"] is False
    assert time.monotonic() - started < 2.6
    client = cluster.test_client()
    started = time.monotonic()
    assert_unavailable(client.post("/login", json=RIGHT))
    assert time.monotonic() - started < 4.5


@pytest.mark.parametrize(("number", "calls"), [(1047, 2), (1213, 2), (1205, 2), (1146, 1)])
def test_a_write_is_repeated_only_if_no_server_has_executed_it(cluster: Flask, number: int, calls: int) -> None:
    """The server is not in the cluster, or has undone the statement because of a conflict."""
    ran = []

    def refused_once(connection: sqlalchemy.Connection) -> None:
        ran.append(connection)
        if len(ran) == 1:
            connection.exec_driver_sql(f"SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = {number}")

    database = cluster.extensions["revezamento"].database
    if calls == 1:
        with pytest.raises(DependencyDown):
            database.write(refused_once)
    else:
        database.write(refused_once)
    assert len(ran) == calls


def test_a_write_with_an_unknown_outcome_is_not_repeated(cluster: Flask) -> None:
    """The server may have executed it."""
    ran = []

    def too_slow(connection: sqlalchemy.Connection) -> None:
        ran.append(connection)
        connection.exec_driver_sql("DO SLEEP(2)")

    with pytest.raises(DependencyDown):
        cluster.extensions["revezamento"].database.write(too_slow)
    assert len(ran) == 1


def test_a_read_that_is_retried_late_does_not_wait_for_the_cluster(cluster: Flask) -> None:
    """A cluster that removes a dead member lets such reads wait for seconds."""
    waits = []

    def slow_at_first(connection: sqlalchemy.Connection) -> None:
        waits.append(connection.exec_driver_sql("SELECT @@SESSION.wsrep_sync_wait").scalar_one())
        if len(waits) == 1:
            connection.exec_driver_sql("DO SLEEP(2)")

    cluster.extensions["revezamento"].database.read(slow_at_first)
    assert waits == [1, 0]


def test_a_wrong_password_for_redis_or_mysql_is_an_outage(make_app: Any) -> None:
    """A wrong secret must not cause a 500, nor retries that cannot succeed."""
    started = time.monotonic()
    assert_unavailable(make_app(redis_password="x").test_client().post("/login", json=RIGHT))
    assert time.monotonic() - started < 0.9
    assert_unavailable(make_app(mysql_password="x").test_client().post("/login", json=RIGHT))
