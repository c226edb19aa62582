"""The command line, with the real rights of the accounts."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from tests.integration.conftest import SENHAS, log_in
from tests.relay import Relay

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def short_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revezamento.cli.LONGEST_LOGIN_SECONDS", 0.3)


@pytest.fixture
def run(app: Flask) -> Any:
    def run(*arguments: str, stdin: str | None = None) -> Result:
        return app.test_cli_runner().invoke(args=["users", *arguments], input=stdin)

    return run


def add(run: Run, usuario: str = "carla", senha: str = "senha-da-carla\n") -> Result:
    return run("add", usuario, "--nome", "Carla", "--email", "carla@example.com", "--password-stdin", stdin=senha)


def test_an_added_user_can_log_in(app: Flask, run: Run) -> None:
    """Adding a user is enough to let them log in."""
    result = add(run, "Carla")
    assert (result.exit_code, result.output) == (0, "carla: added\n")
    body = {"usuario": "carla", "senha": "senha-da-carla"}
    assert app.test_client().post("/login", json=body).status_code == 200


def test_the_password_is_asked_twice_and_not_shown(app: Flask, run: Run) -> None:
    """A password must not end up in the shell's history."""
    arguments = ("add", "carla", "--nome", "Carla", "--email", "carla@example.com")
    result = run(*arguments, stdin="senha-da-carla\nsenha-da-carla\n")
    assert result.exit_code == 0
    assert "senha-da-carla" not in result.output


def test_a_taken_name_is_an_error_with_a_hint(run: Run) -> None:
    """A second `add` must not change a password by accident."""
    result = add(run, "Ana")
    assert result.exit_code == 1
    assert "users passwd ana" in result.output


@pytest.mark.parametrize("senha", ["", "curta\n", "x" * 129 + "\n", "com\0nulo-no-meio\n"])
def test_a_bad_password_is_refused(run: Run, senha: str) -> None:
    """It fails now rather than at the first login."""
    result = add(run, senha=senha)
    assert result.exit_code == 1
    assert "8 to 128 characters" in result.output


@pytest.mark.parametrize("usuario", ["", " ", "a\tb", "x" * 65])
def test_a_bad_name_is_refused(run: Run, usuario: str) -> None:
    """Every user who can be added must be able to log in."""
    assert "cannot be a user" in add(run, usuario).output


def test_a_new_password_replaces_the_old_and_ends_the_sessions(app: Flask, run: Run) -> None:
    """A password is often changed because somebody else knows it and may be logged in."""
    client, other = app.test_client(), app.test_client()
    log_in(client, "ana")
    log_in(other, "bruno")
    result = run("passwd", "ana", "--password-stdin", stdin="outra-senha\n")
    assert result.output == "ana: new password, 1 sessions ended\n"
    assert client.get("/perfil").status_code == 401
    assert other.get("/perfil").status_code == 200
    assert client.post("/login", json={"usuario": "ana", "senha": SENHAS["ana"]}).status_code == 401
    assert client.post("/login", json={"usuario": "ana", "senha": "outra-senha"}).status_code == 200


def test_a_disabled_user_is_out_everywhere_and_stays_out(app: Flask, run: Run) -> None:
    """A disabled user loses access at once, in all sessions."""
    clients = [app.test_client(), app.test_client()]
    for client in clients:
        log_in(client)
    assert run("disable", "ANA").output == "ana: disabled, 2 sessions ended\n"
    assert [client.get("/perfil").status_code for client in clients] == [401, 401]
    body = {"usuario": "ana", "senha": SENHAS["ana"]}
    assert clients[0].post("/login", json=body).status_code == 401
    assert "ana\tAna da Silva\tana@example.com\tdisabled" in run("list").output


def test_several_users_are_disabled_at_once(app: Flask, run: Run) -> None:
    """There is one wait for logins in flight, not one for each user."""
    log_in(app.test_client(), "ana")
    output = run("disable", "bruno", "ana").output
    assert output == "bruno: disabled, 0 sessions ended\nana: disabled, 1 sessions ended\n"


def test_nobody_is_disabled_if_one_is_unknown(run: Run) -> None:
    """If one name is mistyped, nothing is changed."""
    assert run("disable", "ana", "ninguem").exit_code == 1
    assert "ana\tAna da Silva\tana@example.com\tactive" in run("list").output


def test_a_login_under_way_does_not_escape_its_user_being_disabled(
    app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that has already passed its check starts its session later; that session must end as well."""
    passed, client, codes = threading.Event(), app.test_client(), list[int]()
    store = app.extensions["revezamento"].sessions
    create = store.create

    def create_late(*arguments: Any, **named: Any) -> Any:
        passed.set()
        time.sleep(0.15)
        return create(*arguments, **named)

    monkeypatch.setattr(store, "create", create_late)
    body = {"usuario": "ana", "senha": SENHAS["ana"]}
    login = threading.Thread(target=lambda: codes.append(client.post("/login", json=body).status_code))
    login.start()
    assert passed.wait(5)
    assert run("disable", "ana").output == "ana: disabled, 1 sessions ended\n"
    login.join()
    assert codes == [200]
    assert client.get("/perfil").status_code == 401


def test_an_unknown_user_is_an_error_with_a_hint(run: Run) -> None:
    """This applies to every command that changes a user."""
    for command in ("passwd", "disable"):
        result = run(command, "ninguem")
        assert result.exit_code == 1
        assert "there is no user ninguem" in result.output


def test_list_as_json_is_for_programs_and_shows_no_hash(run: Run) -> None:
    """A printed hash must be considered leaked."""
    users = json.loads(run("list", "--json").output)
    assert users[0] == {"usuario": "ana", "nome": "Ana da Silva", "email": "ana@example.com", "ativo": True}
    assert [user["usuario"] for user in users] == ["ana", "bruno"]


def test_import_adds_the_missing_users_only(app: Flask, run: Run) -> None:
    """Provisioning runs it repeatedly: existing users and passwords do not change."""
    users = [
        {"usuario": "ana", "nome": "x", "email": "x", "senha": "outra-senha"},
        {"usuario": "Carla", "nome": "Carla", "email": "carla@example.com", "senha": "senha-da-carla"},
    ]
    first, second = (run("import", stdin=json.dumps(users)) for _ in range(2))
    assert first.output == "ana: already there\ncarla: added\n1 added, 1 already there\n"
    assert second.output == "ana: already there\ncarla: already there\n0 added, 2 already there\n"
    log_in(app.test_client(), "ana")


def test_import_may_also_update(app: Flask, run: Run) -> None:
    """Updated users match the list, are enabled, and can log in with the new password only."""
    client = app.test_client()
    log_in(client, "bruno")
    run("disable", "ana")
    users = [
        {"usuario": "Ana", "nome": "Ana Lima", "email": "lima@example.com", "senha": "outra-senha"},
        {"usuario": "bruno", "nome": "Bruno", "email": "bruno@example.com", "senha": "mais-uma-senha"},
        {"usuario": "carla", "nome": "Carla", "email": "carla@example.com", "senha": "senha-da-carla"},
    ]
    output = run("import", "--update", stdin=json.dumps(users)).output
    assert output == "ana: updated\nbruno: updated\ncarla: added\n1 added, 2 updated, 0 already there\n"
    assert client.get("/perfil").status_code == 401
    assert "ana\tAna Lima\tlima@example.com\tactive" in run("list").output
    codes = [
        app.test_client().post("/login", json={"usuario": "ana", "senha": senha}).status_code
        for senha in (SENHAS["ana"], "outra-senha")
    ]
    assert codes == [401, 200]


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("{", "not JSON"),
        ("{}", "must be a JSON list"),
        ('["ana"]', "entry 1 must be an object"),
        ('[{"usuario":"ana"}]', "entry 1 must be an object"),
        ('[{"usuario":"ana","nome":7,"email":"x","senha":"y"}]', "entry 1: nome must be text"),
        ('[{"usuario":"ana","nome":"x","email":"x","senha":"y"}]', "entry 1 (ana): a password must have"),
    ],
)
def test_a_bad_import_changes_nothing_and_names_the_entry(run: Run, table: Any, stdin: str, message: str) -> None:
    """Everything is checked before the first user is added."""
    result = run("import", stdin=stdin)
    assert result.exit_code == 1
    assert message in result.output
    table.execute("SELECT COUNT(*) FROM users")
    assert table.fetchone() == (2,)


def test_the_apps_account_may_read_but_not_add(make_app: Callable[..., Flask]) -> None:
    """Someone who breaks into a backend must not be able to add users."""
    runner = make_app(mysql_admin_password=None).test_cli_runner()
    assert "ana" in runner.invoke(args=["users", "list"]).output
    stdin = json.dumps([{"usuario": "carla", "nome": "x", "email": "x", "senha": "senha-da-carla"}])
    result = runner.invoke(args=["users", "import"], input=stdin)
    assert result.exit_code == 1
    assert "mysql_admin_password" in result.output
    assert "denied" in result.output


def test_an_outage_is_one_sentence(run: Run, mysql_wire: Relay, redis_wire: Relay) -> None:
    """An administrator needs a sentence, not a traceback."""
    redis_wire.refuse()
    result = run("disable", "ana")
    assert result.exit_code == 1
    assert result.output.startswith("Error: redis cannot serve this command")
    mysql_wire.refuse()
    result = run("list")
    assert result.exit_code == 1
    assert result.output.startswith("Error: mysql cannot serve this command")
