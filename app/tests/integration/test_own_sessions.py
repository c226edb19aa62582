"""A user lists the own sessions, ends one of them, or all."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask, session
from flask.testing import FlaskClient

from revezamento.session_keys import digest_of
from tests.integration.conftest import fields, log_in, use_cookie
from tests.relay import Relay

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NAMES = ["sessao", "criada_em", "usada_em", "endereco", "cliente", "atual"]


def listed(client: FlaskClient) -> list[dict[str, Any]]:
    """Return what the client sees of its user's sessions."""
    answer = client.get("/sessoes")
    assert answer.status_code == 200, answer.text
    return list(fields(answer)["sessoes"])


def fingerprint(client: FlaskClient) -> str:
    return str(fields(client.get("/perfil"))["sessao"])


def devices(app: Flask, number: int = 2) -> list[FlaskClient]:
    """Return browsers in which ana has logged in, one after the other."""
    clients = [app.test_client() for _ in range(number)]
    for client in clients:
        log_in(client)
    return clients


def test_the_list_says_when_where_and_with_what(app: Flask) -> None:
    """Enough to recognize one's own sessions, and to notice one that is not."""
    phone, computer = app.test_client(), app.test_client()
    log_in(phone, headers={"User-Agent": "curl/8.14"}, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    log_in(computer, headers={"User-Agent": FIREFOX}, environ_overrides={"REMOTE_ADDR": "192.0.2.8"})
    found = listed(computer)
    assert [list(one) for one in found] == [NAMES, NAMES]
    by_name = {one["sessao"]: one for one in found}
    own, other = by_name[fingerprint(computer)], by_name[fingerprint(phone)]
    assert (own["endereco"], own["cliente"], own["atual"]) == ("192.0.2.8", "Firefox, Linux", True)
    assert (other["endereco"], other["cliente"], other["atual"]) == ("192.0.2.7", "curl", False)
    assert own["criada_em"] == fields(computer.get("/perfil"))["criada_em"]


def test_the_last_use_costs_no_request_anything(app: Flask, store: redis.Redis) -> None:
    """It follows from the time that the session has left."""
    phone, computer = devices(app)
    now = int(time.time())
    sid = str(phone.get_cookie("sessao").value)  # type: ignore[union-attr]
    key = f"sess:{digest_of(sid)}"
    started = json.loads(str(store.get(key))) | {"created": now - 3000}
    store.set(key, json.dumps(started), ex=1800 - 600)

    def used() -> float:
        shown = next(one["usada_em"] for one in listed(computer) if not one["atual"])
        return time.mktime(time.strptime(shown, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone

    assert abs(used() - (now - 600)) <= 2
    phone.get("/perfil")
    assert abs(used() - time.time()) <= 2


def test_the_list_shows_no_session_of_others_and_no_id(app: Flask) -> None:
    """A fingerprint opens nothing."""
    ana, bruno = app.test_client(), app.test_client()
    sid = log_in(ana)
    log_in(bruno, "bruno")
    assert [one["sessao"] for one in listed(bruno)] == [fingerprint(bruno)]
    text = ana.get("/sessoes").text
    assert sid not in text
    assert digest_of(sid) not in text
    assert use_cookie(app.test_client(), listed(ana)[0]["sessao"]).get("/perfil").status_code == 401


def test_listing_is_no_visit(client: FlaskClient) -> None:
    """The counter of the profile has no gap."""
    log_in(client)
    listed(client)
    assert client.head("/sessoes").status_code == 200
    assert fields(client.get("/perfil"))["visitas"] == 1


def test_listing_takes_two_round_trips_however_many_there_are(app: Flask, redis_wire: Relay) -> None:
    """One reads the session of the request, the other the list."""
    client = devices(app, 5)[-1]
    listed(client)
    before = redis_wire.answers
    assert len(listed(client)) == 5
    assert redis_wire.answers == before + 2


@pytest.mark.parametrize("how", ["expired", "logged out", "of another type"])
def test_a_session_that_has_ended_is_not_listed(app: Flask, store: redis.Redis, how: str) -> None:
    """The index is written by logins and logouts only, so expired sessions are in it until somebody looks."""
    phone, computer = devices(app)
    key = f"sess:{digest_of(str(phone.get_cookie('sessao').value))}"  # type: ignore[union-attr]
    if how == "logged out":
        phone.post("/logout")
    else:
        store.delete(key)
    if how == "of another type":
        store.rpush(key, "a")
    assert [one["atual"] for one in listed(computer)] == [True]
    (index,) = store.keys("user:*")  # type: ignore[misc]
    assert store.zcard(index) == (2 if how == "of another type" else 1)


@pytest.mark.parametrize("login", [None, "{", "[]", '{"fingerprint":7}', "{}"])
def test_a_session_of_unknown_origin_is_listed_and_can_be_ended(
    app: Flask, store: redis.Redis, login: str | None
) -> None:
    """An older release has left no more than the session."""
    phone, computer = devices(app)
    key = f"sess:{digest_of(str(phone.get_cookie('sessao').value))}:login"  # type: ignore[union-attr]
    store.delete(key)
    if login is not None:
        store.set(key, login)
    other = next(one for one in listed(computer) if not one["atual"])
    assert (other["endereco"], other["cliente"]) == (None, None)
    assert computer.delete(f"/sessoes/{other['sessao']}").status_code == 204
    assert phone.get("/perfil").status_code == 401


def test_a_long_list_is_cut_but_has_the_own_session(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that logs in for every request must not make the page useless."""
    monkeypatch.setattr("revezamento.session_list.MAX_SHOWN", 2)
    first, *others = devices(app, 4)
    body = fields(first.get("/sessoes"))
    shown = {one["sessao"] for one in body["sessoes"]}
    assert body["total"] == 4
    assert fingerprint(first) in shown
    assert 2 <= len(shown) <= 3
    hidden = next(client for client in others if fingerprint(client) not in shown)
    assert first.delete(f"/sessoes/{fingerprint(hidden)}").status_code == 204
    assert hidden.get("/perfil").status_code == 401


def test_ending_one_session_ends_it_on_every_server_and_no_other(
    make_app: Callable[..., Flask], store: redis.Redis
) -> None:
    """The phone that was lost is out at once; nothing of it is left."""
    here, there = make_app(), make_app()
    phone, computer, tablet = devices(there, 3)
    sid = str(phone.get_cookie("sessao").value)  # type: ignore[union-attr]
    lost = fingerprint(phone)
    owner = use_cookie(here.test_client(), str(computer.get_cookie("sessao").value))  # type: ignore[union-attr]
    assert owner.delete(f"/sessoes/{lost}").status_code == 204
    assert [client.get("/perfil").status_code for client in (phone, computer, tablet)] == [401, 200, 200]
    assert store.keys(f"sess:{digest_of(sid)}*") == []
    assert lost not in [one["sessao"] for one in listed(owner)]


def test_ending_the_current_session_is_a_logout(client: FlaskClient) -> None:
    """The cookie goes, too."""
    log_in(client)
    answer = client.delete(f"/sessoes/{fingerprint(client)}")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert client.get("/perfil").status_code == 401


def test_unknown_sessions_and_those_of_others_get_the_same_answer(app: Flask) -> None:
    """Otherwise anybody could find out which fingerprints exist."""
    ana, bruno = app.test_client(), app.test_client()
    log_in(ana)
    log_in(bruno, "bruno")
    paths = [f"/sessoes/{fingerprint(bruno)}", "/sessoes/00000000", "/sessoes/x", "/sessoes/%00"]
    answers = [ana.delete(path) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers}) == 1
    assert bruno.get("/perfil").status_code == 200


def test_ending_all_sessions_is_a_logout_everywhere(app: Flask, store: redis.Redis) -> None:
    """Of this user, and of nobody else."""
    phone, computer = devices(app)
    bruno = app.test_client()
    log_in(bruno, "bruno")
    answer = computer.delete("/sessoes")
    assert answer.status_code == 204
    assert "sessao=;" in answer.headers["Set-Cookie"]
    assert [client.get("/perfil").status_code for client in (phone, computer, bruno)] == [401, 401, 200]
    bruno.post("/logout")
    assert store.keys("*") == []


def test_a_request_in_flight_revives_no_session_that_was_ended(app: Flask, store: redis.Redis) -> None:
    """As with a logout."""
    is_inside, may_go_on = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> dict[str, Any]:
        session["seen"] = True
        is_inside.set()
        may_go_on.wait(5)
        return {}

    phone, computer = devices(app)
    request = threading.Thread(target=lambda: phone.get("/slow"))
    request.start()
    assert is_inside.wait(5)
    assert computer.delete("/sessoes").status_code == 204
    may_go_on.set()
    request.join()
    assert store.keys("*") == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["/sessoes", "/sessoes/00000000"])
def test_without_a_session_there_is_nothing_to_see_or_end(client: FlaskClient, method: str, path: str) -> None:
    """Neither for strangers nor after a logout."""
    if (method, path) == ("GET", "/sessoes/00000000"):
        return
    assert client.open(path, method=method).status_code == 401
    use_cookie(client, "A" * 43)
    assert client.open(path, method=method).status_code == 401


def test_the_page_works_without_javascript(app: Flask) -> None:
    """Forms cannot send DELETE, so POST does the same."""
    phone, computer, tablet = devices(app, 3)
    page = computer.get("/sessoes", headers=BROWSER)
    assert page.mimetype == "text/html"
    assert page.text.count('action="/sessoes/') == 2
    assert f'action="/sessoes/{fingerprint(phone)}"' in page.text
    answer = computer.post(f"/sessoes/{fingerprint(phone)}", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/sessoes")
    assert phone.get("/perfil").status_code == 401
    answer = computer.post("/sessoes", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/")
    assert [client.get("/perfil").status_code for client in (computer, tablet)] == [401, 401]


def test_another_site_ends_no_session(client: FlaskClient) -> None:
    """A form there would send the cookie."""
    log_in(client)
    for path in ("/sessoes", f"/sessoes/{fingerprint(client)}"):
        for method in ("DELETE", "POST"):
            answer = client.open(path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
            assert answer.status_code == 403
    assert client.get("/perfil").status_code == 200
