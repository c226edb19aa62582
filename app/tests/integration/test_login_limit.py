"""The limit on failed logins: it refuses guesses on all servers together, and locks nobody out."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.conftest import SENHAS, attempt, fields, wait_until


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


def test_users_behind_one_address_do_not_lock_each_other_out(make_app: Callable[..., Flask]) -> None:
    """A classroom or a company may share one address, with somebody in it who tries every name."""
    client = make_app(login_failures_per_address=3).test_client()
    codes = [attempt(client, f"user{number}").status_code for number in range(20)]
    assert codes == [401] * 20
    assert attempt(client, "ana", SENHAS["ana"]).status_code == 200


def test_an_address_with_many_failures_gets_one_try_for_each_user(make_app: Callable[..., Flask]) -> None:
    """With many names and few guesses each, only the address is common."""
    client = make_app(login_failures_per_address=3).test_client()
    for number in range(3):
        attempt(client, f"user{number}")
    assert [attempt(client, "user9").status_code for _ in range(2)] == [401, 429]
    codes = [attempt(client, "user9", address="192.0.2.2").status_code for _ in range(2)]
    assert codes == [401, 401]


def test_a_user_with_many_failures_gets_one_try_from_each_address(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who guesses from many addresses gets few guesses; the user, who knows the password, needs one."""
    monkeypatch.setattr("revezamento.login_limit.USER_PAIRS", 2)
    client = make_app(login_failures_per_user=2).test_client()
    codes = [attempt(client, address=f"192.0.2.{number // 2}").status_code for number in range(8)]
    assert codes == [401] * 4 + [401, 429] * 2
    assert attempt(client, "ana", SENHAS["ana"], address="198.51.100.1").status_code == 200
    assert [attempt(client, "bruno").status_code for _ in range(2)] == [401, 401]


def test_a_known_browser_is_not_locked_out_by_others(app: Flask) -> None:
    """An attacker behind the same address uses up the limit of all browsers that are not known."""
    known, attacker = app.test_client(), app.test_client()
    attempt(known, "ana", SENHAS["ana"])
    known.post("/logout")
    assert [attempt(attacker).status_code for _ in range(6)] == [401] * 5 + [429]
    assert attempt(app.test_client(), "ana", SENHAS["ana"]).status_code == 429
    assert attempt(known, "ana", SENHAS["ana"]).status_code == 200


def test_a_known_browser_has_a_limit_too(app: Flask) -> None:
    """It may be stolen. Its failures are nobody else's."""
    known = app.test_client()
    attempt(known, "ana", SENHAS["ana"])
    assert [attempt(known, address=f"192.0.2.{number}").status_code for number in range(6)] == [401] * 5 + [429]
    assert attempt(app.test_client(), "ana", SENHAS["ana"], address="192.0.2.1").status_code == 200


def test_a_browser_is_known_to_its_user_only(app: Flask) -> None:
    """Having an account gains nothing for guessing the passwords of others."""
    bruno = app.test_client()
    attempt(bruno, "bruno", SENHAS["bruno"])
    assert [attempt(bruno).status_code for _ in range(6)] == [401] * 5 + [429]


def test_after_a_new_password_no_browser_is_known(app: Flask, hashes: dict[str, str], table: Any) -> None:
    """The old password may have been stolen, and used."""
    known = app.test_client()
    attempt(known, "ana", SENHAS["ana"])
    table.execute("UPDATE users SET senha_hash = %s WHERE usuario = 'ana'", (hashes["bruno"],))
    for _ in range(5):
        attempt(app.test_client())
    assert attempt(known, "ana", SENHAS["bruno"]).status_code == 429


def test_the_cookie_of_a_known_browser_goes_to_logins_only(make_app: Callable[..., Flask]) -> None:
    """It follows the session's, which most programs look for, and every other request is spared it."""
    body = {"usuario": "ana", "senha": SENHAS["ana"]}
    for secure, name in ((False, "aparelho"), (True, "__Secure-aparelho")):
        answer = make_app(cookie_secure=secure).test_client().post("/login", json=body, base_url="https://localhost")
        session, device = answer.headers.getlist("Set-Cookie")
        assert session.startswith("sessao=")
        assert device.startswith(f"{name}=")
        assert {"HttpOnly", "Path=/login", "SameSite=Lax", "Max-Age=7776000"} <= set(device.split("; "))
        assert ("Secure" in device.split("; ")) == secure


def test_a_failed_login_makes_no_browser_known(client: FlaskClient) -> None:
    """Only the password does."""
    assert "Set-Cookie" not in attempt(client).headers


def test_a_success_forgets_the_pairs_failures_but_not_the_addresses(make_app: Callable[..., Flask]) -> None:
    """A user who finally remembers starts afresh; an attacker with an account of their own does not."""
    app = make_app(login_failures_per_user=2, login_failures_per_address=3)

    def codes(*passwords: str) -> list[int]:
        return [attempt(app.test_client(), "ana", senha).status_code for senha in passwords]

    assert codes("errada", SENHAS["ana"], "errada", SENHAS["ana"]) == [401, 200, 401, 200]
    assert codes("errada", "errada") == [401, 429]


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
