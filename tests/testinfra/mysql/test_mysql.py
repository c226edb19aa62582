"""The database has only the inventory's accounts, with minimal privileges and restricted source addresses."""

from __future__ import annotations

from typing import Any

import pytest

from lab.machines import Box, Lab

RUN = """
import json, pymysql, sys
payload = json.load(sys.stdin)
results = []
try:
    link = pymysql.connect(connect_timeout=3, autocommit=False, **payload["login"])
except pymysql.Error as error:
    results = [{"error": error.args[0]}]
else:
    for statement in payload["statements"]:
        with link.cursor() as cursor:
            try:
                cursor.execute(statement)
                results.append([[str(value) for value in row] for row in cursor.fetchall()])
            except pymysql.Error as error:
                results.append({"error": error.args[0]})
    link.rollback()
json.dump(results, sys.stdout)
"""

ACCESS_DENIED, HOST_NOT_ALLOWED, DATABASE_DENIED, TABLE_DENIED, COLUMN_DENIED = 1045, 1130, 1044, 1142, 1143
NEEDS_PRIVILEGE, NO_PASSWORD = 1227, 1698
REFUSED = {ACCESS_DENIED, HOST_NOT_ALLOWED, DATABASE_DENIED, TABLE_DENIED, COLUMN_DENIED, NEEDS_PRIVILEGE, NO_PASSWORD}
"""NO_PASSWORD: MariaDB treats an unknown user like one of its accounts, and some of them log in by their socket."""


def account(mysql: Box, number: int) -> dict[str, str]:
    """Name and password of one of the inventory's accounts: 0 is the app's, 1 its administrator's."""
    found = mysql.vars["mysql_accounts"][number]
    return {"name": found["name"], "password": found["passwords"][0]}


def login_to(mysql: Box, user: str, password: str) -> dict[str, Any]:
    """Arguments of pymysql.connect, as the app connects."""
    folder = mysql.role("mysql")["mysql_tls_folder"]
    tls = {"ssl_ca": f"{folder}/ca.crt", "ssl_verify_cert": True, "ssl_verify_identity": True} if folder else {}
    return {"host": mysql.address, "user": user, "password": password, **tls}


def sql(source: Box, mysql: Box, user: str, password: str, *statements: str) -> list[Any]:
    """Run statements from another machine and roll them back. An error is `{"error": number}`."""
    login = login_to(mysql, user, password) | {"database": mysql.role("mysql")["mysql_database"]}
    python = f"{source.role('app')['__app_root']}/current/bin/python"  # includes the driver
    return list(source.python(RUN, {"login": login, "statements": statements}, python=python))


def as_root(mysql: Box, statement: str) -> list[list[str]]:
    """Run a statement as root on the machine, and return its rows."""
    printed = mysql.root_output("mariadb --batch --skip-column-names --execute=%s", statement)
    return [line.split("\t") for line in printed.splitlines()]


def test_accounts_match_the_inventory(mysql: Box) -> None:
    """No other account, not even root, may connect over the network."""
    rows = as_root(mysql, "SELECT User, Host FROM mysql.user WHERE Host NOT IN ('localhost')")
    expected = {(account["name"], host) for account in mysql.vars["mysql_accounts"] for host in account["hosts"]}
    assert {(user, host) for user, host in rows} == expected


def test_there_are_no_anonymous_accounts(mysql: Box) -> None:
    """Some installations create anonymous accounts by default."""
    assert as_root(mysql, "SELECT Host FROM mysql.user WHERE User = ''") == []


def test_the_app_reads_users_from_every_backend(backend: Box, lab: Lab) -> None:
    """The positive case: account, address, password and rights fit together on each of them."""
    mysql = lab.tier("mysql")[0]
    app = account(mysql, 0)
    (rows,) = sql(backend, mysql, app["name"], app["password"], "SELECT COUNT(*) FROM users")
    assert int(rows[0][0]) >= 0


def test_a_wrong_password_is_refused(mysql: Box, lab: Lab) -> None:
    """The address of a backend is not enough."""
    assert sql(lab.tier("backends")[0], mysql, account(mysql, 0)["name"], "wrong", "SELECT 1") == [
        {"error": ACCESS_DENIED}
    ]


def test_an_unknown_account_is_refused(mysql: Box, lab: Lab) -> None:
    """Neither root nor anybody else comes over the network."""
    for user in ("root", "nobody", "mysql", ""):
        assert sql(lab.tier("backends")[0], mysql, user, "", "SELECT 1")[0]["error"] in REFUSED, user


def test_the_right_password_from_another_machine_is_refused(mysql: Box) -> None:
    """A stolen password works only from a backend: here the firewall allows the connection, the account does not."""
    app = account(mysql, 0)
    login = login_to(mysql, app["name"], app["password"])
    results = mysql.python(RUN, {"login": login, "statements": ["SELECT 1"]})
    assert results[0]["error"] in {ACCESS_DENIED, HOST_NOT_ALLOWED}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM mysql.user",
        "SELECT * FROM mysql.global_priv",
        "INSERT INTO users (usuario, nome, email, senha_hash) VALUES ('eva', 'Eva', 'eva', 'x')",
        "UPDATE users SET nome = 'Eva'",
        "UPDATE users SET ativo = TRUE",
        "DELETE FROM users",
        "DROP TABLE lab_test",
        "ALTER TABLE lab_test ADD COLUMN x INT",
        "CREATE TABLE lab_test (x INT)",
        "CREATE USER lab_test",
        "GRANT SELECT ON *.* TO lab_test",
        "SELECT * FROM users INTO OUTFILE '/tmp/users'",
        "SELECT * FROM schema_version",
        "SET GLOBAL max_connections = @@max_connections",
    ],
)
def test_the_app_cannot_run_other_statements(mysql: Box, lab: Lab, statement: str) -> None:
    """An attacker who controls a backend cannot create, change or delete users."""
    app = account(mysql, 0)
    (result,) = sql(lab.tier("backends")[0], mysql, app["name"], app["password"], statement)
    assert isinstance(result, dict), f"allowed: {result}"
    assert result["error"] in REFUSED


def test_the_app_can_update_password_hashes(mysql: Box, lab: Lab) -> None:
    """The app rehashes passwords at login when the parameters change."""
    app = account(mysql, 0)
    (result,) = sql(
        lab.tier("backends")[0],
        mysql,
        app["name"],
        app["password"],
        "UPDATE users SET senha_hash = senha_hash WHERE id = 0",
    )
    assert result == []


def test_the_administrator_can_change_only_users(mysql: Box, lab: Lab) -> None:
    """The account manages users and needs no other privileges."""
    administrator = account(mysql, 1)
    statements = ("UPDATE users SET nome = nome WHERE id = 0", "DROP TABLE lab_test", "SELECT * FROM mysql.user")
    allowed, *refused = sql(
        lab.tier("backends")[0], mysql, administrator["name"], administrator["password"], *statements
    )
    assert allowed == []
    assert {result["error"] for result in refused} <= REFUSED


def test_passwords_are_stored_as_argon2id_hashes(mysql: Box, demo_users: list[dict[str, str]]) -> None:
    """A leaked table must not reveal passwords."""
    rows = as_root(mysql, f"SELECT usuario, senha_hash FROM {mysql.role('mysql')['mysql_database']}.users")
    assert {user["usuario"] for user in demo_users} <= {name for name, _ in rows}
    assert [name for name, kept in rows if not kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")] == []


def test_each_schema_file_was_applied_once(mysql: Box) -> None:
    """The version table determines which schema files still have to be applied."""
    database = mysql.role("mysql")["mysql_database"]
    applied = [row[0] for row in as_root(mysql, f"SELECT version FROM {database}.schema_version ORDER BY version")]
    files = mysql.role("mysql")["mysql_schema_files"]
    assert applied == [path.rsplit("/", 1)[-1].removesuffix(".sql") for path in files]
