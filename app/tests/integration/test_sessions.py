"""The rules that make sessions safe, tested through HTTP and in a real Redis."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask, session
from flask.testing import FlaskClient

from tests.integration.conftest import SENHAS, fields, log_in, use_cookie, wait_until
from tests.relay import Relay

MALFORMED = ["", "x", "a" * 42, "a" * 44, "a" * 42 + "!", "a" * 42 + "é", "../../etc/passwd", "*" * 43, "a" * 4000]


def key(sid: str) -> str:
    return "sess:" + hashlib.sha256(sid.encode()).hexdigest()


def test_redis_holds_the_hash_of_the_id_and_never_the_id(client: FlaskClient, store: redis.Redis) -> None:
    """Someone who reads Redis or its backup must not be able to take over a session."""
    sid = log_in(client)
    client.get("/perfil")
    assert store.exists(key(sid)) == 1
    assert not [name for name in store.keys("*") if sid in name]
    assert sid not in str(store.get(key(sid)))


def test_the_value_is_json_with_the_user_and_no_secret(client: FlaskClient, store: redis.Redis) -> None:
    """Reading JSON executes nothing, and password hashes do not belong there."""
    value = json.loads(str(store.get(key(log_in(client)))))
    assert sorted(value) == ["created", "email", "id", "nome", "usuario"]


@pytest.mark.parametrize("sid", MALFORMED)
def test_a_malformed_id_never_reaches_redis(client: FlaskClient, redis_wire: Relay, sid: str) -> None:
    """Garbage must not cost a round trip or become part of a command."""
    assert use_cookie(client, sid).get("/perfil").status_code == 401
    assert redis_wire.answers == 0


def test_an_unknown_id_is_not_adopted(client: FlaskClient, store: redis.Redis) -> None:
    """An attacker who plants an id in a victim's browser must not learn the victim's session (fixation)."""
    planted = "A" * 43
    assert use_cookie(client, planted).get("/perfil").status_code == 401
    assert store.keys("*") == []
    assert log_in(client) != planted
    assert store.exists(key(planted)) == 0


def test_a_login_gives_a_new_id_and_ends_the_old_session(client: FlaskClient, store: redis.Redis) -> None:
    """An id that leaked before the login must be worthless after it."""
    old = log_in(client)
    client.get("/perfil")
    new = log_in(client, "bruno")
    assert new != old
    assert store.exists(key(old), key(old) + ":visits") == 0
    assert fields(client.get("/perfil"))["usuario"] == "bruno"


def test_a_failed_login_keeps_the_session(client: FlaskClient) -> None:
    """A typing error in another tab must not log the user out."""
    log_in(client)
    assert client.post("/login", json={"usuario": "ana", "senha": "errada"}).status_code == 401
    assert client.get("/perfil").status_code == 200


def test_a_logged_out_id_is_invalid_on_every_server(make_app: Callable[..., Flask], store: redis.Redis) -> None:
    """A logout on one server takes effect on all of them at once."""
    here, there = make_app().test_client(), make_app().test_client()
    use_cookie(there, log_in(here))
    assert there.get("/perfil").status_code == 200
    assert here.post("/logout").status_code == 204
    assert there.get("/perfil").status_code == 401
    assert store.keys("*") == []


def test_logout_expires_the_cookie_and_needs_no_session(client: FlaskClient) -> None:
    """Logging out twice is not an error."""
    log_in(client)
    for _ in range(2):
        answer = client.post("/logout")
        assert answer.status_code == 204
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert client.get_cookie("sessao") is None


@pytest.mark.parametrize("in_flight", ["read", "write"])
def test_a_request_in_flight_does_not_revive_a_logged_out_session(
    app: Flask, store: redis.Redis, in_flight: str
) -> None:
    """A common bug in session libraries: a slow request saves what the logout has just deleted."""
    is_inside, may_go_on = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> dict[str, Any]:
        assert session["usuario"] == "ana"
        is_inside.set()
        may_go_on.wait(5)
        if in_flight == "write":
            session["seen"] = True
            return {}
        return {"visits": session.visit()}  # type: ignore[attr-defined]

    client = app.test_client()
    sid = log_in(client)
    codes: list[int] = []
    request = threading.Thread(target=lambda: codes.append(use_cookie(app.test_client(), sid).get("/slow").status_code))
    request.start()
    assert is_inside.wait(5)
    assert client.post("/logout").status_code == 204
    may_go_on.set()
    request.join()
    assert codes == [200]
    assert store.keys("*") == []
    assert use_cookie(client, sid).get("/perfil").status_code == 401


def test_a_change_is_saved_without_a_new_expiry(app: Flask, store: redis.Redis) -> None:
    """Session and counter must expire together, so a write must not extend only one of them."""

    @app.post("/colour")
    def colour() -> str:
        session["colour"] = "blue"
        return ""

    @app.get("/colour")
    def get_colour() -> str:
        return str(session["colour"])

    client = app.test_client()
    sid = log_in(client)
    client.get("/perfil")
    assert client.post("/colour").status_code == 200
    assert client.get("/colour").text == "blue"
    assert fields(client.get("/perfil"))["visitas"] == 2
    assert abs(store.pttl(key(sid)) - store.pttl(key(sid) + ":visits")) < 5


def test_an_unchanged_session_is_not_written(app: Flask, store: redis.Redis) -> None:
    """The last writer overwrites the whole value, so a request without changes must not write."""
    client = app.test_client()
    log_in(client)
    store.config_resetstat()
    client.get("/perfil")
    assert "cmdstat_set" not in store.info("commandstats")


def test_nobody_gets_a_session_without_a_login(app: Flask, store: redis.Redis) -> None:
    """Otherwise anonymous clients could fill Redis."""

    @app.get("/anonymous")
    def anonymous() -> str:
        session["colour"] = "blue"
        return ""

    assert app.test_client().get("/anonymous").status_code == 500
    assert store.keys("*") == []


def test_the_profile_costs_one_round_trip(client: FlaskClient, redis_wire: Relay) -> None:
    """It is the hot path: reading, extending and counting take one call."""
    log_in(client)
    client.get("/perfil")
    before = redis_wire.answers
    assert client.get("/perfil").status_code == 200
    assert redis_wire.answers == before + 1


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/nothing-here"])
def test_a_route_without_a_session_does_not_ask_redis(client: FlaskClient, redis_wire: Relay, path: str) -> None:
    """A session is read on first use, not because there is a cookie."""
    log_in(client)
    before = redis_wire.answers
    client.get(path)
    assert redis_wire.answers == before


def test_visits_count_up_across_servers_without_a_gap(make_app: Callable[..., Flask]) -> None:
    """The counter on the page proves that all servers share one session."""
    servers = [make_app(server_name=f"Servidor {number}").test_client() for number in (1, 2, 3)]
    sid = log_in(servers[0])
    answers = [fields(use_cookie(servers[turn % 3], sid).get("/perfil")) for turn in range(9)]
    assert [answer["visitas"] for answer in answers] == list(range(1, 10))
    assert {answer["servidor"] for answer in answers} == {"Servidor 1", "Servidor 2", "Servidor 3"}
    assert len({answer["sessao"] for answer in answers}) == 1


def test_head_does_not_count_as_a_visit(client: FlaskClient) -> None:
    """A safe method must not leave a gap in the counter."""
    log_in(client)
    assert client.head("/perfil").status_code == 200
    assert fields(client.get("/perfil"))["visitas"] == 1


def test_every_read_extends_the_session(make_app: Callable[..., Flask], store: redis.Redis) -> None:
    """The idle time does not log out active users."""
    client = make_app(session_idle_seconds=100).test_client()
    sid = log_in(client)
    store.expire(key(sid), 10)
    client.get("/perfil")
    assert store.ttl(key(sid)) == 100
    assert store.ttl(key(sid) + ":visits") == 100


def test_an_idle_session_ends(make_app: Callable[..., Flask], store: redis.Redis) -> None:
    """A forgotten session must not stay open, and leaves no keys behind."""
    client = make_app(session_idle_seconds=1).test_client()
    sid = log_in(client)
    assert client.get("/perfil").status_code == 200
    wait_until(lambda: store.exists(key(sid), key(sid) + ":visits") == 0)
    assert client.get("/perfil").status_code == 401


def test_activity_does_not_extend_a_session_past_its_lifetime(
    make_app: Callable[..., Flask], store: redis.Redis
) -> None:
    """A stolen session must end even if it is kept active."""
    client = make_app(session_idle_seconds=60, session_lifetime_seconds=100).test_client()
    sid = log_in(client)
    value = json.loads(str(store.get(key(sid))))
    store.set(key(sid), json.dumps(value | {"created": int(time.time()) - 100}), keepttl=True)
    assert client.get("/perfil").status_code == 401
    assert store.exists(key(sid), key(sid) + ":visits") == 0


def test_the_reported_expiry_is_the_earlier_of_idle_time_and_lifetime(make_app: Callable[..., Flask]) -> None:
    """The page must not show more time than the session has."""
    for idle, lifetime, expected in ((60, 1000, 60), (1000, 60, 60)):
        client = make_app(session_idle_seconds=idle, session_lifetime_seconds=lifetime).test_client()
        log_in(client)
        body = fields(client.get("/perfil"))
        times = [time.strptime(body[name], "%Y-%m-%dT%H:%M:%SZ") for name in ("criada_em", "expira_em")]
        lasts = time.mktime(times[1]) - time.mktime(times[0])
        assert expected <= lasts <= expected + 2


CORRUPT = {
    "no JSON": b"{",
    "no object": b"[1]",
    "no text": b"\x80\x04\x95\xff",
    "a pickle": b"\x80\x04K\x01.",
    "fields missing": b'{"usuario":"ana"}',
    "a field of another type": b'{"created":"x","email":"","id":1,"nome":"","usuario":"ana"}',
    "a time that no calendar has": b'{"created":99999999999999,"email":"","id":1,"nome":"","usuario":"ana"}',
    "half a character": b'{"created":1,"email":"","id":1,"nome":"\\ud800","usuario":"ana"}',
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("what", CORRUPT)
def test_a_corrupt_value_is_deleted_and_is_no_session(app: Flask, store: redis.Redis, what: str) -> None:
    """An unreadable value must neither cause a 500 on every request nor be executed; it is logged and counted."""
    client = app.test_client()
    sid = log_in(client)
    store.set(key(sid), CORRUPT[what], keepttl=True)
    assert client.get("/perfil").status_code == 401
    assert store.exists(key(sid), key(sid) + ":visits") == 0
    assert "revezamento_corrupt_sessions_total 1.0" in client.get("/metrics").text
    log_in(client)
    assert client.get("/perfil").status_code == 200


@pytest.mark.parametrize("suffix", ["", ":visits"])
def test_a_key_of_another_type_is_no_session(client: FlaskClient, store: redis.Redis, suffix: str) -> None:
    """The user is logged out instead of getting the same error again and again."""
    sid = log_in(client)
    store.delete(key(sid) + suffix)
    store.rpush(key(sid) + suffix, "a", "b")
    assert client.get("/perfil").status_code == 401
    assert store.exists(key(sid), key(sid) + ":visits") == 0


def test_two_users_never_see_each_other(app: Flask) -> None:
    """Sessions must stay apart."""
    ana, bruno = app.test_client(), app.test_client()
    log_in(ana, "ana")
    log_in(bruno, "bruno")
    for _ in range(3):
        assert fields(ana.get("/perfil"))["usuario"] == "ana"
        assert fields(bruno.get("/perfil"))["usuario"] == "bruno"
    ana.post("/logout")
    assert bruno.get("/perfil").status_code == 200


def test_one_user_may_have_several_sessions(app: Flask) -> None:
    """Logging out on the phone must not log out the computer."""
    phone, computer = app.test_client(), app.test_client()
    assert log_in(phone) != log_in(computer)
    phone.post("/logout")
    assert fields(computer.get("/perfil"))["visitas"] == 1


def test_the_index_drops_expired_sessions(app: Flask, store: redis.Redis) -> None:
    """A program that logs in every minute must not fill Redis over time."""
    client = app.test_client()
    log_in(client)
    (index,) = store.keys("user:*")
    store.zadd(index, {"a session of yesterday": time.time() - 1})
    log_in(client)
    assert store.zcard(index) == 1
    assert 0 < store.ttl(index) <= 43_200


def test_every_key_expires(app: Flask, store: redis.Redis) -> None:
    """With `noeviction`, a key without expiry holds its memory forever."""
    client = app.test_client()
    client.post("/login", json={"usuario": "ana", "senha": "errada"})
    client.post("/login", json={"usuario": "ninguem", "senha": "errada"})
    log_in(client)
    client.get("/perfil")
    names: list[str] = store.keys("*")  # type: ignore[assignment]
    assert {name.split(":")[0] for name in names} == {"sess", "user", "login"}
    assert all(store.ttl(name) > 0 for name in names)


def test_scripts_and_other_sites_cannot_use_the_cookie(make_app: Callable[..., Flask]) -> None:
    """The id opens the session, and scripts do not need it."""
    client = make_app(session_lifetime_seconds=5000).test_client()
    body = {"usuario": "ana", "senha": SENHAS["ana"]}
    cookie: str = client.post("/login", json=body).headers["Set-Cookie"]
    assert set(cookie.split("; ")[1:]) >= {"HttpOnly", "Max-Age=5000", "Path=/", "SameSite=Lax"}
    assert "Secure" not in cookie
    assert "Domain" not in cookie


def test_cookie_name_and_secure_flag_are_one_setting(make_app: Callable[..., Flask]) -> None:
    """With TLS the cookie becomes `__Host-sessao` without a code change."""
    client = make_app(cookie_name="__Host-sessao", cookie_secure=True).test_client()
    body = {"usuario": "ana", "senha": SENHAS["ana"]}
    cookie = client.post("/login", json=body, base_url="https://localhost").headers["Set-Cookie"]
    assert cookie.startswith("__Host-sessao=")
    assert "Secure" in cookie
    assert client.get("/perfil", base_url="https://localhost").status_code == 200


def test_the_fingerprint_gives_away_neither_id_nor_key(client: FlaskClient) -> None:
    """The page shows it, so it must not open anything."""
    sid = log_in(client)
    shown = fields(client.get("/perfil"))["sessao"]
    assert len(shown) == 8
    assert shown not in sid
    assert shown not in key(sid)
