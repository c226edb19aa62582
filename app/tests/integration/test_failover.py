"""Three Redis with Sentinels: another primary takes over, and no acknowledged login or logout is undone."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from revezamento.redis_link import CALL_SECONDS, PROOF_SECONDS
from tests.integration.conftest import ACCOUNT, PASSWORD, SENHAS, fields, log_in, use_cookie
from tests.replicas import Replicas

pytestmark = pytest.mark.deadlines

RIGHT = {"usuario": "ana", "senha": SENHAS["ana"]}
ANSWER_SECONDS = 5.0
"""nginx gives up then."""


@pytest.fixture
def group(replicas: Replicas) -> Iterator[Replicas]:
    """The three Redis, empty and healthy."""
    replicas.settle()
    replicas.servers[replicas.primary()].flushdb()
    yield replicas
    replicas.settle()


@pytest.fixture
def app(make_app: Callable[..., Flask], group: Replicas) -> Flask:
    return make_app(
        redis=tuple(group.servers), sentinels=tuple(group.sentinels), redis_user=ACCOUNT, redis_password=PASSWORD
    )


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 503
    assert "Set-Cookie" not in answer.headers


def repeat(request: Callable[[], Any], *statuses: int) -> None:
    """What a user does after a 503. The replicas confirm nothing until they have caught up."""
    deadline = time.monotonic() + 10
    while (answer := request()).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.status_code in statuses


def test_requests_wait_for_the_next_primary(app: Flask, client: FlaskClient, group: Replicas) -> None:
    """The old primary accepts connections and never answers: users get their page late, and stay logged in."""
    sid = log_in(client)
    assert client.get("/readyz").status_code == 200
    before = group.primary()
    group.freeze(before, 6)
    results: list[tuple[int, float]] = []

    def visit() -> None:
        started = time.monotonic()
        status = use_cookie(app.test_client(), sid).get("/perfil").status_code
        results.append((status, time.monotonic() - started))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    while any(visitor.is_alive() for visitor in visitors):
        assert client.get("/readyz").status_code == 200
        time.sleep(0.2)
    assert [status for status, _ in results] == [200] * 4
    assert max(seconds for _, seconds in results) < ANSWER_SECONDS
    repeat(lambda: client.post("/logout"), 204)
    assert log_in(client) != sid
    group.settle()
    assert group.primary() != before


def test_a_planned_change_of_the_primary_is_not_noticed(client: FlaskClient, group: Replicas) -> None:
    """The former primary goes on as a replica, and refuses writes."""
    log_in(client)
    group.fail_over()
    assert client.get("/perfil").status_code == 200
    assert client.post("/logout").status_code == 204


def test_healthy_requests_do_not_ask_the_sentinels(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary is remembered: a request takes one round trip."""
    log_in(client)
    monkeypatch.setattr(app.extensions["revezamento"].redis._primary, "_ask", pytest.fail)
    for _ in range(5):
        assert client.get("/perfil").status_code == 200


@pytest.fixture
def unconfirmed(client: FlaskClient, group: Replicas, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a session, after which no replica confirms anything; the app soon gives up."""
    sid = log_in(client)
    monkeypatch.setattr(client.application.extensions["revezamento"].redis, "_budget", 0.3)
    for address in group.others():
        group.freeze(address, 4)
    return sid


def test_a_login_that_no_replica_has_is_refused(client: FlaskClient, unconfirmed: str, group: Replicas) -> None:
    """If the primary failed now, the session would be lost: the user must not get it."""
    assert_refused(client.post("/login", json=RIGHT))
    group.settle()
    repeat(lambda: client.post("/login", json=RIGHT), 200)


def test_a_logout_that_no_replica_has_is_refused_and_can_be_repeated(
    client: FlaskClient, unconfirmed: str, group: Replicas
) -> None:
    """If the primary failed now, the session would be back. Repeating it deletes nothing, and must not succeed."""
    assert_refused(client.post("/logout"))
    assert_refused(client.post("/logout"))
    assert_refused(client.post("/logout"))
    group.settle()
    repeat(lambda: client.post("/logout"), 204)
    assert use_cookie(client, unconfirmed).get("/perfil").status_code == 401


@pytest.mark.parametrize("all_of_them", [False, True])
def test_ending_sessions_is_refused_if_no_replica_has_it_and_can_be_repeated(
    app: Flask, client: FlaskClient, unconfirmed: str, group: Replicas, *, all_of_them: bool
) -> None:
    """If the primary failed now, they would be back. What a repetition says has been confirmed, whatever it is."""
    own = use_cookie(app.test_client(), unconfirmed)
    name = fields(own.get("/perfil"))["sessao"]
    path = "/sessoes" if all_of_them else f"/sessoes/{name}"
    for _ in range(3):
        assert_refused(own.delete(path))
    group.settle()
    repeat(lambda: own.delete(path), 204, 401)
    assert own.get("/perfil").status_code == 401


def test_a_session_that_is_gone_is_a_404_only_if_a_replica_has_that(
    app: Flask, client: FlaskClient, group: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt ends it on the primary; the second finds nothing, which a fail-over could change."""
    phone = app.test_client()
    log_in(phone)
    log_in(client)
    path = f"/sessoes/{fields(phone.get('/perfil'))['sessao']}"
    monkeypatch.setattr(app.extensions["revezamento"].redis, "_budget", 0.3)
    for address in group.others():
        group.freeze(address, 4)
    assert_refused(client.delete(path))
    assert_refused(client.delete(path))
    group.settle()
    repeat(lambda: client.delete(path), 204, 404)
    assert phone.get("/perfil").status_code == 401


def test_a_user_is_locked_out_only_if_a_replica_has_it(
    app: Flask, client: FlaskClient, unconfirmed: str, group: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator must know, and repeat it. Without a listed session there is nothing to delete."""
    monkeypatch.setattr("revezamento.cli.LONGEST_LOGIN_SECONDS", 0)
    disable = ["users", "disable", "ana"]
    assert [app.test_cli_runner().invoke(args=disable).exit_code for _ in range(2)] == [1, 1]
    group.settle()
    codes = iter(lambda: app.test_cli_runner().invoke(args=disable).exit_code, None)
    assert 0 in islice(codes, 10)
    assert client.get("/perfil").status_code == 401


def test_a_primary_that_may_have_been_replaced_tells_nothing(
    client: FlaskClient, unconfirmed: str, group: Replicas
) -> None:
    """No replica answers it, as if it were cut off: the user may have logged out at the next primary."""
    time.sleep(PROOF_SECONDS)
    assert client.get("/perfil").status_code == 503
    group.settle()
    repeat(lambda: client.get("/perfil"), 200)


def test_an_answer_that_came_late_is_asked_for_again(client: FlaskClient, group: Replicas) -> None:
    """The backend may have been frozen between the proof and the answer, and the primary been replaced meanwhile."""
    log_in(client)
    link = client.application.extensions["revezamento"].redis
    asked: list[float] = []

    def slow_once(redis: Any) -> int:
        asked.append(time.monotonic())
        time.sleep(PROOF_SECONDS + CALL_SECONDS + 0.1 if len(asked) == 1 else 0)
        return len(asked)

    assert link.run(slow_once) == 2


def test_reads_rarely_wait_for_a_replica(client: FlaskClient, group: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages must not get slower; losing a visit is harmless."""
    monkeypatch.setattr("revezamento.redis_link.PROOF_SECONDS", 60)
    log_in(client)
    used = [group.servers[group.primary()].info("commandstats")["cmdstat_wait"]["calls"]]
    for _ in range(5):
        assert client.get("/perfil").status_code == 200
        used.append(group.servers[group.primary()].info("commandstats")["cmdstat_wait"]["calls"])
    assert used[-1] <= used[0] + 1


def test_status_says_which_redis_is_the_primary(client: FlaskClient, group: Replicas) -> None:
    """By its position in the settings, without an address; the others are its replicas."""
    body = fields(client.get("/status"))
    assert body["redis"]["ok"] is True
    assert list(group.servers)[body["redis"]["primary"] - 1] == group.primary()
    assert {body["redis"]["primary"], *body["redis"]["replicas"]} == {1, 2, 3}


def test_status_follows_a_fail_over(client: FlaskClient, group: Replicas) -> None:
    """Nobody else has to use the backend meanwhile."""
    before = fields(client.get("/status"))["redis"]["primary"]
    group.fail_over()
    group.settle()
    after = fields(client.get("/status"))["redis"]
    assert before in after["replicas"]
    assert list(group.servers)[after["primary"] - 1] == group.primary()


def test_the_rights_for_replicas_are_used(client: FlaskClient, group: Replicas) -> None:
    """The account has no right that it does not need."""
    log_in(client)
    used = group.servers[group.primary()].info("commandstats")
    assert {"cmdstat_role", "cmdstat_wait"} <= set(used)
