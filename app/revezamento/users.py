"""The users in MySQL.

User names are normalized here and nowhere else: without surrounding space, NFKC, case folded. The column compares bytes
(`utf8mb4_bin`), so that MariaDB and MySQL, whose default collations differ, compare names alike.
"""

import unicodedata
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, String, Table
from sqlalchemy.exc import IntegrityError

from revezamento.database import Database

NAME_CHARACTERS = 64

_USERS = Table(
    "users",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("usuario", String(NAME_CHARACTERS)),
    Column("nome", String(128)),
    Column("email", String(254)),
    Column("senha_hash", String(255)),
    Column("ativo", Boolean),
    Column("criado_em", DateTime),
)


@dataclass(frozen=True, slots=True)
class User:
    """One row of `users`."""

    id: int
    usuario: str
    nome: str
    email: str
    senha_hash: str = field(repr=False)
    ativo: bool

    def for_session(self) -> dict[str, Any]:
        """Return what a session keeps, so that only logins need MySQL."""
        return {"id": self.id, "usuario": self.usuario, "nome": self.nome, "email": self.email}


class Users:
    """Reads and writes users; every method may raise `DependencyDown`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, usuario: str) -> User | None:
        """Return the user with a canonical name, or None."""
        query = _SELECT.where(_USERS.c.usuario == usuario)
        row = self._database.read(lambda connection: connection.execute(query).first())
        return User(*row) if row else None

    def all(self) -> list[User]:
        """Return all users, ordered by name."""
        query = _SELECT.order_by(_USERS.c.usuario)
        return [User(*row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def add(self, usuario: str, nome: str, email: str, senha_hash: str) -> bool:
        """Add a user with a canonical name; return False if the name is taken."""
        statement = _USERS.insert().values(usuario=usuario, nome=nome, email=email, senha_hash=senha_hash)
        try:
            self._database.write(lambda connection: connection.execute(statement))
        except IntegrityError:
            return False
        return True

    def set_hash(self, user_id: int, senha_hash: str) -> None:
        """Replace the hash of a user's password."""
        self._update(user_id, senha_hash=senha_hash)

    def replace(self, user_id: int, nome: str, email: str, senha_hash: str) -> None:
        """Replace a user's name, email and password hash, and enable the user."""
        self._update(user_id, nome=nome, email=email, senha_hash=senha_hash, ativo=True)

    def disable(self, user_id: int) -> None:
        """Refuse further logins of a user."""
        self._update(user_id, ativo=False)

    def _update(self, user_id: int, **values: Any) -> None:
        statement = _USERS.update().where(_USERS.c.id == user_id).values(**values)
        self._database.write(lambda connection: connection.execute(statement))


_SELECT = sqlalchemy.select(*(_USERS.c[name] for name in User.__slots__))


def canonical(usuario: str) -> str | None:
    """Return the normalized name, or None if it is empty, too long or not printable."""
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", usuario.strip()).casefold())
    return name if 0 < len(name) <= NAME_CHARACTERS and name.isprintable() else None
