"""A real Redis and a real MariaDB, each behind a relay that tests can cut, real Sentinels, and apps that use them.

The accounts of the apps have exactly the rights that the project grants, so a missing right fails a test.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from revezamento import create_app
from revezamento.passwords import Passwords
from revezamento.settings import Settings
from tests.relay import Relay
from tests.replicas import Replicas

DATABASE = "revezamento_test"
ACCOUNT, ADMIN = "revezamento_test", "revezamento_test_admin"
PASSWORD = "only-for-tests"
GRANTS = {ACCOUNT: "SELECT, UPDATE (senha_hash)", ADMIN: "SELECT, INSERT, UPDATE"}
SENHAS = {"ana": "senha-da-ana", "bruno": "senha-do-bruno"}
APP = Path(__file__).parents[2]
SCHEMA = APP / "schema"
REDIS_RIGHTS: dict[str, list[str]] = json.loads((APP / "redis_rights.json").read_text())
"""What the app's account may do: its keys and commands; `select` only where the database is not 0."""


def _services(name: str) -> tuple[tuple[tuple[str, int], ...], str]:
    addresses, password = os.environ.get(name), os.environ.get(f"{name}_PASSWORD")
    if not addresses or password is None:
        pytest.fail(
            f"integration tests need real servers: set {name}=host:port and {name}_PASSWORD, "
            'or leave them out with -m "not integration"',
            pytrace=False,
        )
    pairs = [address.rpartition(":") for address in addresses.split(",")]
    return tuple((host, int(port)) for host, _, port in pairs), password


def grant(client: redis.Redis, commands: list[str], keys: list[str]) -> None:
    """Give the app's account these rights and no others."""
    client.acl_setuser(
        ACCOUNT,
        enabled=True,
        reset=True,
        passwords=[f"+{PASSWORD}"],
        keys=keys,
        commands=[f"+{command}" for command in commands if command != "select"],
    )


@pytest.fixture(autouse=True)
def long_deadlines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend the deadlines unless a test needs the real ones: a busy machine must not look like an outage."""
    if not request.node.get_closest_marker("deadlines"):
        monkeypatch.setattr("revezamento.redis_link.CALL_SECONDS", 5)
        monkeypatch.setattr("revezamento.database.ANSWER_SECONDS", 5)


@pytest.fixture(autouse=True)
def status_is_never_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that changes something and looks at `/status` would have to wait otherwise."""
    monkeypatch.setattr("revezamento.STATUS_SECONDS", 0)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[tuple[redis.Redis, tuple[str, int]]]:
    """The real Redis as its administrator, and its address, with the app's account."""
    (address,), password = _services("REVEZAMENTO_TEST_REDIS")
    with redis.Redis(*address, password=password, decode_responses=True) as client:
        grant(client, REDIS_RIGHTS["commands"], REDIS_RIGHTS["keys"])
        yield client, address
        client.acl_deluser(ACCOUNT)


@pytest.fixture(scope="session")
def replicas() -> Iterator[Replicas]:
    """Three real Redis with three Sentinels, which know the app's account."""
    addresses, password = _services("REVEZAMENTO_TEST_REPLICAS")
    sentinels, sentinel_password = _services("REVEZAMENTO_TEST_SENTINELS")
    group = Replicas(addresses, password, sentinels, sentinel_password)
    for client in group.servers.values():
        grant(client, REDIS_RIGHTS["commands"] + REDIS_RIGHTS["replicated"], REDIS_RIGHTS["keys"])
    for client in group.sentinels.values():
        grant(client, ["sentinel|master"], [])
    yield group
    group.close()


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[tuple[Any, tuple[str, int]]]:
    """The real MariaDB as its administrator, and its address, with the schema and the accounts."""
    (address,), password = _services("REVEZAMENTO_TEST_MYSQL")
    connection = pymysql.connect(host=address[0], port=address[1], user="root", password=password, autocommit=True)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {DATABASE}")
        for path in sorted(SCHEMA.glob("*.sql")):
            cursor.execute(path.read_text())
        cursor.execute("SELECT SUBSTRING_INDEX(USER(), '@', -1)")
        (here,) = cursor.fetchone() or ("%",)
        for user, rights in GRANTS.items():
            cursor.execute("DROP USER IF EXISTS %s@%s", (user, here))
            cursor.execute("CREATE USER %s@%s IDENTIFIED BY %s", (user, here, PASSWORD))
            cursor.execute(f"GRANT {rights} ON {DATABASE}.users TO %s@%s", (user, here))
        yield cursor, address
        cursor.execute(f"DROP DATABASE {DATABASE}")
        for user in GRANTS:
            cursor.execute("DROP USER %s@%s", (user, here))


@pytest.fixture(scope="session")
def hashes() -> dict[str, str]:
    passwords = Passwords(workers=1)
    return {usuario: passwords.hash(senha) for usuario, senha in SENHAS.items()}


@pytest.fixture
def store(redis_server: tuple[redis.Redis, tuple[str, int]]) -> redis.Redis:
    """The administrator's view of an empty Redis."""
    client, _ = redis_server
    client.flushdb()
    return client


@pytest.fixture
def table(mysql_server: tuple[Any, tuple[str, int]], hashes: dict[str, str]) -> Any:
    """A cursor on `users` with ana and bruno in it."""
    cursor, _ = mysql_server
    cursor.execute("TRUNCATE users")
    for usuario, senha_hash in hashes.items():
        cursor.execute(
            "INSERT INTO users (usuario, nome, email, senha_hash) VALUES (%s, %s, %s, %s)",
            (usuario, f"{usuario.title()} da Silva", f"{usuario}@example.com", senha_hash),
        )
    return cursor


@pytest.fixture
def redis_wire(redis_server: tuple[redis.Redis, tuple[str, int]]) -> Iterator[Relay]:
    relay = Relay(redis_server[1])
    yield relay
    relay.restore()
    relay.refuse()


@pytest.fixture
def mysql_wire(mysql_server: tuple[Any, tuple[str, int]]) -> Iterator[Relay]:
    relay = Relay(mysql_server[1])
    yield relay
    relay.restore()
    relay.refuse()


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], store: redis.Redis, table: Any, redis_wire: Relay, mysql_wire: Relay
) -> Callable[..., Settings]:
    """Settings of a backend on the real servers, changed as a test needs."""

    def make(**changes: Any) -> Settings:
        return make_settings(
            **{
                "redis": (redis_wire.address,),
                "redis_user": ACCOUNT,
                "redis_password": PASSWORD,
                "mysql": (mysql_wire.address,),
                "mysql_user": ACCOUNT,
                "mysql_password": PASSWORD,
                "mysql_database": DATABASE,
                "mysql_admin_user": ADMIN,
                "mysql_admin_password": PASSWORD,
                **changes,
            }
        )

    return make


@pytest.fixture
def make_app(settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Apps on the real servers; their connections are closed at the end."""
    apps: list[Flask] = []

    def make(**changes: Any) -> Flask:
        apps.append(create_app(settings(**changes)))
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["revezamento"].database.close()
        app.extensions["revezamento"].redis.close()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def log_in(client: FlaskClient, usuario: str = "ana", **options: Any) -> str:
    """Log in with the right password; return the session's id."""
    body = {"usuario": usuario, "senha": SENHAS[usuario]}
    answer = client.post("/login", json=body, **options)
    assert answer.status_code == 200, answer.text
    cookie = client.get_cookie("sessao")
    assert cookie is not None
    return str(cookie.value)


def attempt(client: FlaskClient, usuario: str = "ana", senha: str = "errada", address: str = "192.0.2.1") -> Any:
    """Try to log in, by default with a wrong password; return the answer."""
    body = {"usuario": usuario, "senha": senha}
    return client.post("/login", json=body, environ_overrides={"REMOTE_ADDR": address})


def fields(answer: Any) -> dict[str, Any]:
    """Return the JSON object of a response."""
    assert isinstance(answer.json, dict), answer.text
    return answer.json


def use_cookie(client: FlaskClient, sid: str) -> FlaskClient:
    """Make the client send this session's id."""
    client.set_cookie("sessao", sid)
    return client


def wait_until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"the condition is still false after {seconds} s"
        time.sleep(0.02)
