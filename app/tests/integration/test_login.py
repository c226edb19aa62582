"""Logging in: responses, limits, and what must not leak."""

from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.conftest import SENHAS, attempt, fields, log_in
from tests.relay import Relay

RIGHT = {"usuario": "ana", "senha": SENHAS["ana"]}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


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


def test_unknown_and_wrong_cost_the_same_work(
    client: FlaskClient, redis_wire: Relay, mysql_wire: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither must the timing, which `make bench-logins` measures: both need the same queries and one hash."""
    hashes: list[str] = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, *of: hashes.append(of[0]) or verify(self, *of))
    attempt(client, "bruno")  # connects, and Redis learns the scripts

    def work(usuario: str) -> tuple[int, int, int]:
        before = redis_wire.answers, mysql_wire.answers, len(hashes)
        attempt(client, usuario)
        after = redis_wire.answers, mysql_wire.answers, len(hashes)
        return tuple(b - a for a, b in zip(before, after, strict=True))  # type: ignore[return-value]

    assert work("ninguem") == work("ana")
    parameters = {text.rpartition("$")[0].rpartition("$")[0] for text in hashes}
    assert parameters == {"$argon2id$v=19$m=19456,t=2,p=1"}


@pytest.mark.parametrize("text", ["ana' -- ", "' OR '1'='1", "ana'; DROP TABLE users; -- ", "%", "ana\\"])
def test_sql_in_the_fields_is_only_text(client: FlaskClient, table: Any, text: str) -> None:
    """Values are bound parameters, never part of the statement."""
    assert attempt(client, text, "x").status_code == 401
    assert attempt(client, "ana", text).status_code == 401
    table.execute("SELECT COUNT(*) FROM users")
    assert table.fetchone() == (2,)


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
