"""The connection to MySQL or MariaDB: a small pool with short timeouts that recovers by itself."""

from collections.abc import Callable
from time import monotonic, perf_counter
from typing import TypeVar

import pymysql
import sqlalchemy
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.settings import Settings

CONNECT_SECONDS = 1.0
"""Deadline of one pass over the whole list of addresses."""

ANSWER_SECONDS = 1
"""Deadline of one response; looking up a user takes milliseconds."""

RETRY_BEFORE_SECONDS = 0.5
"""A query that fails later than this is not retried: its caller has little time left."""

_T = TypeVar("_T")


class Database:
    """A connection pool for one account; safe to share between threads. Create it after a fork.

    Args:
        settings: addresses, tried in order, and the name of the database.
        user: the account's name.
        password: the account's password.
        down_log: where failures are logged.
    """

    def __init__(self, settings: Settings, user: str, password: str, down_log: DownLog) -> None:
        self._settings = settings
        self._user = user
        self._password = password
        self._down_log = down_log
        self._engine = sqlalchemy.create_engine(
            "mysql+pymysql://",
            creator=self._connect,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            pool_size=settings.threads,
            max_overflow=2,
            pool_timeout=1,
            pool_pre_ping=True,
            pool_recycle=280,
            pool_use_lifo=True,
        )

    def read(self, query: Callable[[sqlalchemy.Connection], _T]) -> _T:
        """Run a read-only query, and retry it once if the connection broke.

        Raises:
            DependencyDown: the server is unreachable, too slow, or refuses.
        """
        started = monotonic()
        try:
            return self._run(query)
        except SQLAlchemyError as error:
            if monotonic() - started > RETRY_BEFORE_SECONDS:
                raise self._down(error) from error
        try:
            return self._run(query)
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def write(self, statement: Callable[[sqlalchemy.Connection], _T]) -> _T:
        """Run a statement once.

        Raises:
            DependencyDown: the server is unreachable, too slow, or refuses.
            sqlalchemy.exc.IntegrityError: the row conflicts with another one.
        """
        try:
            return self._run(statement)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def ping_ms(self) -> float | None:
        """Return how long the server takes to answer, in milliseconds, or None if it does not answer."""
        started = perf_counter()
        try:
            self._run(lambda connection: connection.scalar(sqlalchemy.text("SELECT 1")))
        except SQLAlchemyError as error:
            self._down_log.report("mysql", error)
            return None
        return (perf_counter() - started) * 1000

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()

    def _run(self, use: Callable[[sqlalchemy.Connection], _T]) -> _T:
        with self._engine.connect() as connection:
            return use(connection)

    def _down(self, error: SQLAlchemyError) -> DependencyDown:
        self._down_log.report("mysql", error)
        return DependencyDown("mysql")

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        addresses = self._settings.mysql
        for host, port in addresses:
            try:
                return pymysql.connect(
                    host=host,
                    port=port,
                    user=self._user,
                    password=self._password,
                    database=self._settings.mysql_database,
                    charset="utf8mb4",
                    connect_timeout=CONNECT_SECONDS / len(addresses),
                    read_timeout=ANSWER_SECONDS,
                    write_timeout=ANSWER_SECONDS,
                )
            except pymysql.OperationalError as error:
                last = error
        raise last
