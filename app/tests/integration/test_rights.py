"""The app's accounts can do what the app needs, and nothing else."""

from collections.abc import Callable
from typing import Any

import pymysql
import pytest
import redis
from flask import Flask, session

from tests.integration.conftest import ACCOUNT, DATABASE, PASSWORD, REDIS_RIGHTS, SCHEMA, log_in

ADMINISTRATORS = {"auth", "config|resetstat", "info"}


def test_the_list_of_redis_commands_is_exact(
    make_app: Callable[..., Flask], store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing command fails other tests; one that is not needed fails this one."""
    monkeypatch.setattr("revezamento.cli.LONGEST_LOGIN_SECONDS", 0)
    app = make_app(login_failures_per_user=1)

    @app.post("/colour")
    def colour() -> str:
        session["colour"] = "blue"
        return ""

    store.script_flush()
    store.config_resetstat()
    client = app.test_client()
    wrong = {"usuario": "bruno", "senha": "errada"}
    assert [client.post("/login", json=wrong).status_code for _ in range(2)] == [401, 429]
    log_in(client)
    log_in(client)
    own = client.get("/perfil").json["sessao"]
    for method, path in (
        *(("POST", "/colour"), ("GET", "/status"), ("GET", "/sessoes"), ("DELETE", f"/sessoes/{own}")),
        *(("GET", "/livez"), ("POST", "/logout")),
    ):
        assert client.open(path, method=method).status_code < 300
    log_in(client)
    assert app.test_cli_runner().invoke(args=["users", "disable", "ana"]).exit_code == 0
    used = {name.removeprefix("cmdstat_") for name in store.info("commandstats")}
    assert used - ADMINISTRATORS == set(REDIS_RIGHTS["commands"]) - {"select"}


@pytest.mark.parametrize("command", ["KEYS *", "FLUSHALL", "CONFIG GET *", "GET other:key", "SCAN 0", "ACL LIST"])
def test_a_stolen_redis_password_gives_no_further_access(
    redis_server: tuple[redis.Redis, tuple[str, int]], command: str
) -> None:
    """Other keys, the ids of sessions and the server itself stay closed."""
    client = redis.Redis(*redis_server[1], username=ACCOUNT, password=PASSWORD)
    with client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (usuario, nome, email, senha_hash) VALUES ('x', 'x', 'x', 'x')",
        "UPDATE users SET ativo = TRUE",
        "UPDATE users SET usuario = 'root'",
        "DELETE FROM users",
        "DROP TABLE users",
        "SELECT * FROM mysql.global_priv",
    ],
)
def test_a_stolen_mysql_password_gives_no_further_access(
    mysql_server: tuple[Any, tuple[str, int]], table: Any, statement: str
) -> None:
    """The app reads users and updates hashes; adding, enabling and removing users is for administrators."""
    host, port = mysql_server[1]
    connection = pymysql.connect(host=host, port=port, user=ACCOUNT, password=PASSWORD, database=DATABASE)
    with connection, connection.cursor() as cursor, pytest.raises(pymysql.OperationalError, match="denied"):
        cursor.execute(statement)


def test_the_schema_can_be_applied_again(mysql_server: tuple[Any, tuple[str, int]], table: Any) -> None:
    """Provisioning applies it on every run, one statement per file, and must not lose users."""
    cursor, _ = mysql_server
    for path in sorted(SCHEMA.glob("*.sql")):
        statement = path.read_text()
        assert ";" not in statement
        cursor.execute("SET sql_notes = 0")
        cursor.execute(statement)
    cursor.execute("SELECT COUNT(*) FROM users")
    assert cursor.fetchone() == (2,)


def test_names_are_compared_byte_by_byte(table: Any) -> None:
    """Accents and case distinguish names on MariaDB and MySQL alike; the app normalizes names."""
    for name, count in (("ana", 1), ("ANA", 0), ("aná", 0)):
        table.execute("SELECT COUNT(*) FROM users WHERE usuario = %s", (name,))
        assert table.fetchone() == (count,)
