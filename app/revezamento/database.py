"""The connection to MySQL or MariaDB: small pools with short timeouts that recover by themselves.

Of several servers (a Galera cluster), all backends prefer the first in the list, and use the next one while it does not
serve: one server that takes all writes has no conflicts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, perf_counter, sleep
from typing import Any, TypeVar

import pymysql
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from revezamento import deadline, long_work
from revezamento.errors import DependencyDown
from revezamento.logs import DownLog
from revezamento.parsers import Address
from revezamento.positions import positions
from revezamento.settings import Settings
from revezamento.tls import client_context

CONNECT_SECONDS = 1.0
"""Deadline of one pass over the whole list of addresses."""

ANSWER_SECONDS = 1.0
"""Deadline of one response; looking up a user takes milliseconds."""

SWITCH_SECONDS = 0.6
"""The same where there is another server to ask."""

RETRY_BEFORE_SECONDS = 0.5
"""A query that fails later than this is not retried: its caller has little time left."""

SWITCH_BUDGET_SECONDS = 2.0
"""The same where there are several servers."""

SYNC_BEFORE_SECONDS = 0.4
"""A query that is retried later than this no longer waits for what other servers have written.

While a cluster removes a dead member, which takes seconds, it confirms no writes: there is nothing to wait for.
"""

ASIDE_SECONDS = 2.0
"""How long a server that did not serve is not preferred; then one query tries it."""

PAUSE_SECONDS = 0.1

_PING = "DO 1"
"""Unlike SELECT 1, it fails on a server that is not in the majority of a Galera cluster, and waits for no other."""

_MEMBERS = "SHOW STATUS LIKE 'wsrep_incoming_addresses'"
"""Everybody may ask this, and it waits for no other server."""

_UNKNOWN_VARIABLE = 1193
_UNDONE = {1020, 1205, 1213}
"""Conflicts with other transactions: the server is fine, and has undone the statement."""

_REFUSED = 1047
"""The server is not in the part of a Galera cluster with a majority; it has done nothing."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Server:
    engine: sqlalchemy.Engine
    position: int
    aside_until: float = 0.0


class Database:
    """The connection pools of one account; safe to share between threads. Create it after a fork.

    Args:
        settings: addresses, in order of preference, and the name of the database.
        user: the account's name.
        password: the account's password.
        down_log: where failures are logged.
    """

    def __init__(self, settings: Settings, user: str, password: str, down_log: DownLog) -> None:
        self._settings = settings
        self._user = user
        self._password = password
        self._tls = client_context(settings.ca_file) if settings.ca_file else None
        self._down_log = down_log
        self._is_down = False
        self._has_several = len(settings.mysql) > 1
        self._servers = [_Server(self._engine(address), number) for number, address in enumerate(settings.mysql, 1)]
        self.machines: dict[str, Any] = {}
        """Of several servers, the one that answered the last ping and the cluster's members, by positions from 1."""

    def read(self, query: Callable[[sqlalchemy.Connection], _T]) -> _T:
        """Run a read-only query, and retry it if a server does not serve.

        Raises:
            DependencyDown: no server is reachable, quick enough and willing.
        """
        return self._try(query, attempts=2, repeats=lambda _: True)

    def write(self, statement: Callable[[sqlalchemy.Connection], _T]) -> _T:
        """Run a statement; with several servers, retry it if none of them has executed it.

        Raises:
            DependencyDown: no server is reachable, quick enough and willing.
            sqlalchemy.exc.IntegrityError: the row conflicts with another one.
        """
        return self._try(statement, attempts=1, repeats=lambda error: _code(error) in _UNDONE | {_REFUSED})

    def ping_ms(self) -> float | None:
        """Return how long a server takes to answer, in milliseconds, or None if none does."""
        started = perf_counter()
        for server in self._in_order():
            try:
                with self._connection(server, synced=True) as connection:
                    if self._has_several:
                        self.machines = {"used": server.position} | self._members(connection)
                    else:
                        connection.exec_driver_sql(_PING)
            except SQLAlchemyError as error:
                self._did_not_serve(server, error)
                self._down_log.report("mysql", error)
            else:
                server.aside_until = 0.0
                return (perf_counter() - started) * 1000
        self.machines = {"members": []} if self._has_several else {}
        return None

    def close(self) -> None:
        """Close the idle connections."""
        for server in self._servers:
            server.engine.dispose()

    def _members(self, connection: sqlalchemy.Connection) -> dict[str, Any]:
        row = connection.exec_driver_sql(_MEMBERS).first()
        addresses = [address for address in row[1].split(",") if address] if row else []
        found = positions(addresses, ["{}:{}".format(*address) for address in self._settings.mysql])
        return {"members": found} if found else {}

    def _try(
        self,
        use: Callable[[sqlalchemy.Connection], _T],
        attempts: int,
        repeats: Callable[[SQLAlchemyError], bool],
    ) -> _T:
        for server, synced in self._attempts(attempts):
            is_connected = False
            try:
                with self._connection(server, synced=synced) as connection:
                    is_connected = True
                    result = use(connection)
            except IntegrityError:
                raise
            except SQLAlchemyError as error:
                self._did_not_serve(server, error)
                last = error
                if is_connected and not repeats(error):
                    break
            else:
                server.aside_until = 0.0
                self._is_down = False
                return result
        self._down_log.report("mysql", last)
        raise DependencyDown("mysql") from last

    def _attempts(self, attempts: int) -> Iterator[tuple[_Server, bool]]:
        """Yield the server to try next, and whether it may wait for what the others have written."""
        started = monotonic()
        if not self._has_several:
            yield self._servers[0], True
            if attempts > 1 and monotonic() <= started + RETRY_BEFORE_SECONDS:
                yield self._servers[0], True
            return
        # Each server is tried once in any case. After an outage longer than one budget, this is all; otherwise waiting
        # requests pile up.
        budget = deadline.left(SWITCH_BUDGET_SECONDS)
        ends = started + (0 if self._is_down else budget)
        while True:
            for server in self._in_order():
                yield server, monotonic() < started + SYNC_BEFORE_SECONDS
            if monotonic() + PAUSE_SECONDS > ends:
                break
            sleep(PAUSE_SECONDS)
        self._is_down = self._is_down or budget > 0.9 * SWITCH_BUDGET_SECONDS

    def _in_order(self) -> Iterator[_Server]:
        """Yield the servers: those that serve in order of preference, then the others."""
        others = []
        for server in self._servers:
            now = monotonic()
            if now < server.aside_until:
                others.append(server)
                continue
            if server.aside_until:
                server.aside_until = now + ASIDE_SECONDS  # other threads do not wait for it too
            yield server
        yield from others

    def _did_not_serve(self, server: _Server, error: SQLAlchemyError) -> None:
        if _code(error) not in _UNDONE:
            server.aside_until = monotonic() + ASIDE_SECONDS

    @contextmanager
    def _connection(self, server: _Server, *, synced: bool) -> Iterator[sqlalchemy.Connection]:
        long_work.announce()
        with server.engine.connect() as connection:
            if self._has_several:
                connection.exec_driver_sql(_PING)
            if not synced and connection.info.get("waits"):
                connection.exec_driver_sql("SET SESSION wsrep_sync_wait = 0")
                try:
                    yield connection
                finally:
                    connection.invalidate()
            else:
                yield connection

    def _engine(self, address: Address) -> sqlalchemy.Engine:
        engine = sqlalchemy.create_engine(
            "mysql+pymysql://",
            creator=lambda: self._connect(address),
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            pool_size=self._settings.threads,
            max_overflow=2,
            pool_timeout=1,
            pool_pre_ping=not self._has_several,  # it would reconnect to a frozen server, and wait twice
            pool_recycle=280,
            pool_use_lifo=True,
        )
        if self._has_several:
            event.listen(engine, "connect", _wait_for_writes)
        return engine

    def _connect(self, address: Address) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        answer = SWITCH_SECONDS if self._has_several else ANSWER_SECONDS
        return pymysql.connect(
            host=address[0],
            port=address[1],
            user=self._user,
            password=self._password,
            database=self._settings.mysql_database,
            charset="utf8mb4",
            ssl=self._tls,
            connect_timeout=CONNECT_SECONDS / len(self._settings.mysql),
            read_timeout=answer,
            write_timeout=answer,
        )


def _wait_for_writes(connection: Any, record: Any) -> None:
    """Let a server of a Galera cluster apply what the others have confirmed before it reads."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION wsrep_sync_wait = 1")
    except pymysql.MySQLError as error:
        if error.args[0] != _UNKNOWN_VARIABLE:
            raise
    else:
        record.info["waits"] = True


def _code(error: SQLAlchemyError) -> int | None:
    """Return the number of a MySQL error."""
    return next(iter(getattr(getattr(error, "orig", None), "args", ())), None)
