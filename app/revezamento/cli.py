"""`flask --app revezamento users …`: manage users from the command line of a backend."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import structlog
from flask.cli import AppGroup

from revezamento.database import Database
from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.passwords import MAX_CHARACTERS, MIN_CHARACTERS, is_password
from revezamento.services import services
from revezamento.users import NAME_CHARACTERS, User, Users, canonical

LONGEST_LOGIN_SECONDS = 5.0
"""Longer than a login takes from its first MySQL query to its session in Redis."""

_FIELDS = ("usuario", "nome", "email", "senha")

_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking.")


@click.group(cls=AppGroup)
def users() -> None:
    """Add, list and disable users."""
    # Errors are sentences on stderr; stdout is for results.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@users.command()
@click.argument("usuario")
@click.option("--nome", required=True, help="The user's full name.")
@click.option("--email", required=True)
@_password_stdin
def add(usuario: str, nome: str, email: str, *, password_stdin: bool) -> None:
    """Add USUARIO."""
    name = _name(usuario)
    with _account() as table:
        senha_hash = services().passwords.hash(_new_password(from_stdin=password_stdin))
        if not table.add(name, nome, email, senha_hash):
            raise click.ClickException(f"there is already a user {name}; use `users passwd {name}` for a new password")
    click.echo(f"{name}: added")


@users.command()
@click.argument("usuario")
@_password_stdin
def passwd(usuario: str, *, password_stdin: bool) -> None:
    """Set a new password for USUARIO and end all their sessions."""
    with _account() as table:
        user = _find(table, usuario)
        table.set_hash(user.id, services().passwords.hash(_new_password(from_stdin=password_stdin)))
        click.echo(f"{user.usuario}: new password, {_end_sessions(user)[user.usuario]} sessions ended")


@users.command()
@click.argument("usuarios", metavar="USUARIO...", nargs=-1, required=True)
def disable(usuarios: tuple[str, ...]) -> None:
    """Disable each USUARIO and end all their sessions."""
    with _account() as table:
        found = [_find(table, usuario) for usuario in usuarios]
        for user in found:
            table.disable(user.id)
        ended = _end_sessions(*found)
        for user in found:
            click.echo(f"{user.usuario}: disabled, {ended[user.usuario]} sessions ended")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_(*, as_json: bool) -> None:
    """List the users."""
    with _account() as table:
        all_users = table.all()
    if as_json:
        fields = ("usuario", "nome", "email", "ativo")
        click.echo(
            json.dumps([{name: getattr(user, name) for name in fields} for user in all_users], ensure_ascii=False)
        )
        return
    for user in all_users:
        click.echo(f"{user.usuario}\t{user.nome}\t{user.email}\t{'active' if user.ativo else 'disabled'}")


@users.command("import")
@click.option("--update", is_flag=True, help="Also update existing users, and enable them.")
def import_(*, update: bool) -> None:
    """Add missing users from a JSON list on stdin; each has usuario, nome, email and senha."""
    entries = _entries(sys.stdin.read())
    added, updated = 0, list[User]()
    with _account() as table:
        for entry in entries:
            name = entry["usuario"]
            known = table.find(name)
            if known and not update:
                click.echo(f"{name}: already there")
                continue
            details = (entry["nome"], entry["email"], services().passwords.hash(entry["senha"]))
            if known:
                table.replace(known.id, *details)
                updated.append(known)
                click.echo(f"{name}: updated")
                continue
            is_new = table.add(name, *details)
            added += is_new
            click.echo(f"{name}: {'added' if is_new else 'already there'}")
        if updated:
            _end_sessions(*updated)
    updates = f", {len(updated)} updated" if update else ""
    click.echo(f"{added} added{updates}, {len(entries) - added - len(updated)} already there")


@contextmanager
def _account() -> Iterator[Users]:
    """Use the administrator's account if its password is available, otherwise the app's, which may only read."""
    settings, metrics = services().settings, services().metrics
    database = services().database
    if settings.mysql_admin_password:
        database = Database(settings, settings.mysql_admin_user, settings.mysql_admin_password, DownLog(metrics))
    try:
        yield Users(database)
    except DependencyDown as error:
        reason = getattr(error.__cause__, "orig", error.__cause__)
        hint = "" if settings.mysql_admin_password else " (no mysql_admin_password in $CREDENTIALS_DIRECTORY)"
        raise click.ClickException(f"{error.dependency} cannot serve this command{hint}: {reason}") from error
    finally:
        database.close()


def _end_sessions(*users: User) -> dict[str, int]:
    """End all sessions of the given users; return the number for each."""
    # A login that has just passed its check may still start a session: wait for it, and end that one too.
    sessions = services().session_list
    ended = {user.usuario: sessions.end_all(user.id) for user in users}
    time.sleep(LONGEST_LOGIN_SECONDS)
    return {user.usuario: ended[user.usuario] + sessions.end_all(user.id) for user in users}


def _name(usuario: str) -> str:
    name = canonical(usuario)
    if name is None:
        raise click.ClickException(f"{usuario!r} cannot be a user: 1 to {NAME_CHARACTERS} printable characters")
    return name


def _find(table: Users, usuario: str) -> User:
    name = _name(usuario)
    user = table.find(name)
    if user is None:
        raise click.ClickException(f"there is no user {name}; `users list` shows them all")
    return user


def _new_password(*, from_stdin: bool) -> str:
    if from_stdin:
        senha = sys.stdin.readline().removesuffix("\n")
    else:
        senha = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    problem = _password_problem(senha)
    if problem:
        raise click.ClickException(problem)
    return str(senha)


def _password_problem(senha: str) -> str | None:
    if is_password(senha) and len(senha) >= MIN_CHARACTERS:
        return None
    return f"a password must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, none of them control characters"


def _entries(text: str) -> list[dict[str, str]]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"stdin is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise click.ClickException(f"stdin must be a JSON list of objects with {', '.join(_FIELDS)}")
    return [_entry(number, entry) for number, entry in enumerate(entries, start=1)]


def _entry(number: int, entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict) or sorted(entry) != sorted(_FIELDS):
        raise click.ClickException(f"entry {number} must be an object with exactly {', '.join(_FIELDS)}")
    for name in _FIELDS:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise click.ClickException(f"entry {number}: {name} must be text, and not empty")
    problem = _password_problem(entry["senha"])
    if problem:
        raise click.ClickException(f"entry {number} ({entry['usuario']}): {problem}")
    return {**entry, "usuario": _name(entry["usuario"])}
