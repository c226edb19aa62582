"""Logging in: responses, limits, and what must not leak."""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.conftest import SENHAS, fields, log_in, wait_until

RIGHT = {"usuario": "ana", "senha": SENHAS["ana"]}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def attempt(client: FlaskClient, usuario: str = "ana", senha: str = "errada", address: str = "192.0.2.1") -> Any:
    body = {"usuario": usuario, "senha": senha}
    return client.post("/login", json=body, environ_overrides={"REMOTE_ADDR": address})


def test_json_logs_in(client: FlaskClient) -> None:
    """The documented response, for programs."""
    answer = client.post("/login", json=RIGHT)
    assert answer.status_code == 200
    assert fields(answer) == {"usuario": "ana", "nome": "Ana da Silva", "servidor": "Servidor 7"}
    assert fields(client.get("/perfil"))["email"] == "ana@example.com"


def test_a_form_of_a_program_gets_json(client: FlaskClient) -> None:
    """`curl -d` sends a form and accepts anything."""
    answer = client.post("/login", data=RIGHT, headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert fields(answer)["usuario"] == "ana"


def test_a_browser_goes_on_to_the_profile(client: FlaskClient) -> None:
    """The page works without JavaScript, and a reload does not send the password again."""
    answer = client.post("/login", data=RIGHT, headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/perfil")
    page = client.get("/perfil", headers=BROWSER)
    assert page.status_code == 200
    assert "Ana da Silva" in page.text
    left = client.post("/logout", headers=BROWSER)
    assert (left.status_code, left.location) == (303, "/")


def test_a_browsers_failed_login_is_a_page_with_the_form(client: FlaskClient) -> None:
    """The user must be able to try again at once."""
    answer = client.post("/login", data={**RIGHT, "senha": "errada"}, headers=BROWSER)
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert 'action="/login"' in answer.text
    assert "errada" not in answer.text


def test_markup_in_a_name_is_only_text(client: FlaskClient, table: Any) -> None:
    """A user's name must not be executed as markup."""
    table.execute("UPDATE users SET nome = '<script>alert(1)</script>'")
    log_in(client)
    page = client.get("/perfil", headers=BROWSER).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("usuario", ["ANA", " ana ", "\uff21na"])
def test_a_name_is_the_same_however_it_is_typed(client: FlaskClient, usuario: str) -> None:
    """Phones capitalize the first letter."""
    assert fields(client.post("/login", json={**RIGHT, "usuario": usuario}))["usuario"] == "ana"


def test_unknown_disabled_and_wrong_get_the_same_response(client: FlaskClient, table: Any) -> None:
    """The response must not reveal who has an account."""
    table.execute("UPDATE users SET ativo = FALSE WHERE usuario = 'bruno'")
    answers = [
        attempt(client, "ninguem", "senha-qualquer"),
        attempt(client, "bruno", SENHAS["bruno"]),
        attempt(client, "ana", "senha-errada"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    ignored = {"Date"}
    assert len({tuple(sorted((k, v) for k, v in answer.headers if k not in ignored)) for answer in answers}) == 1


def test_unknown_and_wrong_take_the_same_time(make_app: Callable[..., Flask]) -> None:
    """Neither must the timing: without a dummy hash, an unknown name would be answered ten times faster."""
    client = make_app(login_failures_per_user=1000).test_client()

    def seconds(usuario: str) -> float:
        started = time.perf_counter()
        attempt(client, usuario)
        return time.perf_counter() - started

    unknown, wrong = zip(*((seconds("ninguem"), seconds("ana")) for _ in range(10)), strict=True)
    assert 0.6 < min(unknown) / min(wrong) < 1.6


@pytest.mark.parametrize("text", ["ana' -- ", "' OR '1'='1", "ana'; DROP TABLE users; -- ", "%", "ana\\"])
def test_sql_in_the_fields_is_only_text(client: FlaskClient, table: Any, text: str) -> None:
    """Values are bound parameters, never part of the statement."""
    assert attempt(client, text, "x").status_code == 401
    assert attempt(client, "ana", text).status_code == 401
    table.execute("SELECT COUNT(*) FROM users")
    assert table.fetchone() == (2,)


def test_failures_are_limited_for_user_and_address(client: FlaskClient) -> None:
    """Guessing one user's password must not be feasible."""
    for _ in range(5):
        assert attempt(client).status_code == 401
    refused = attempt(client, "ana", SENHAS["ana"])
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert "erro" in fields(refused)


def test_the_limit_counts_on_all_servers_together(make_app: Callable[..., Flask]) -> None:
    """Three servers must not allow three times as many guesses."""
    servers = [make_app().test_client() for _ in range(3)]
    codes = [attempt(servers[turn % 3]).status_code for turn in range(6)]
    assert codes == [401] * 5 + [429]


def test_one_attacker_does_not_lock_out_the_user(client: FlaskClient) -> None:
    """A limit by name alone would let anybody lock out anybody."""
    for _ in range(6):
        attempt(client)
    assert attempt(client, "ana", SENHAS["ana"], address="192.0.2.2").status_code == 200
    assert attempt(client, "bruno", SENHAS["bruno"]).status_code == 200


def test_writing_the_name_differently_gains_no_attempts(client: FlaskClient) -> None:
    """The limit must use the same normalized name as the table."""
    codes = [attempt(client, usuario).status_code for usuario in ("ana", "Ana", "ANA", " ana", "aNa", "anA")]
    assert codes == [401] * 5 + [429]


def test_unknown_names_are_limited_alike(client: FlaskClient) -> None:
    """Otherwise the limit itself would reveal who has an account."""
    assert [attempt(client, "ninguem").status_code for _ in range(6)] == [401] * 5 + [429]


def test_one_address_may_not_try_one_password_on_every_user(make_app: Callable[..., Flask]) -> None:
    """With many names and one guess each, only the address is common."""
    client = make_app(login_failures_per_address=3).test_client()
    codes = [attempt(client, f"user{number}").status_code for number in range(4)]
    assert codes == [401, 401, 401, 429]
    assert attempt(client, "user9", address="192.0.2.2").status_code == 401


def test_a_success_forgets_the_users_failures_but_not_the_addresses(make_app: Callable[..., Flask]) -> None:
    """A user who finally remembers starts afresh; an attacker with an account of their own does not."""
    client = make_app(login_failures_per_user=2, login_failures_per_address=3).test_client()
    attempt(client)
    log_in(client, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert attempt(client).status_code == 401
    log_in(client, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert attempt(client).status_code == 401
    assert attempt(client).status_code == 429


def test_the_limit_ends_with_its_window(make_app: Callable[..., Flask], store: redis.Redis) -> None:
    """A refused user waits for minutes, not forever."""
    client = make_app(login_failures_per_user=1, login_window_seconds=1).test_client()
    attempt(client)
    assert attempt(client).status_code == 429
    wait_until(lambda: not store.keys("login:*"))
    assert attempt(client, "ana", SENHAS["ana"]).status_code == 200


def test_a_burst_of_right_passwords_is_never_limited(make_app: Callable[..., Flask]) -> None:
    """A class of thirty behind one address logs in within the same minute."""
    app = make_app(threads=30, login_failures_per_address=5)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: attempt(app.test_client(), "ana", SENHAS["ana"]).status_code, range(30)))
    assert codes == [200] * 30


def test_an_old_hash_is_renewed_by_the_next_login(client: FlaskClient, table: Any) -> None:
    """Parameters grow over the years, and only a login has the password."""
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(SENHAS["ana"])
    table.execute("UPDATE users SET senha_hash = %s WHERE usuario = 'ana'", (old,))
    log_in(client)
    table.execute("SELECT senha_hash FROM users WHERE usuario = 'ana'")
    (renewed,) = table.fetchone()
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    log_in(client)


def test_a_broken_hash_is_a_wrong_password(client: FlaskClient, table: Any) -> None:
    """A damaged row must not cause a 500."""
    table.execute("UPDATE users SET senha_hash = 'x' WHERE usuario = 'ana'")
    assert attempt(client, "ana", SENHAS["ana"]).status_code == 401


def test_too_many_hashes_at_once_are_refused_in_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing must not starve logged-in users, nor wait longer than nginx does."""
    monkeypatch.setattr("revezamento.views.HASH_WAIT_SECONDS", 0.05)
    slots = app.extensions["revezamento"].passwords._slots
    taken = 0
    while slots.acquire(blocking=False):
        taken += 1
    answer = attempt(app.test_client(), "ana", SENHAS["ana"])
    slots.release(taken)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert attempt(app.test_client(), "ana", SENHAS["ana"]).status_code == 200
