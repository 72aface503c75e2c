"""One connection to a database of this version's schema, opened when it is needed, and again when it has ended.

What is asked of it has one time limit, whatever it takes: connecting, what was interrupted, and that once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.errors import ReadOnlySqlTransaction

from records.errors import AnsweredAlreadyError, StoreUnavailableError, StoreVersionError
from records.stores.postgresql.server import IN_USE, Connection, Server
from records.stores.versions import migrations, wrong_version

KIND = "postgres"

T = TypeVar("T")


def _nothing(_: Connection) -> None:
    pass


class Session:
    """One user's.

    Args:
        server: where to.
        begin: what each new connection begins with.
    """

    def __init__(self, server: Server, begin: Callable[[Connection], None] = _nothing) -> None:
        self.server = server
        self._begin = begin
        self._connection: Connection | None = None
        self._writes = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    def do(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        """Work on the connection; what was interrupted is tried once more on a new one.

        Raises:
            StoreError: it can't be done, or may not be durable.
        """
        deadline = time.monotonic() + self.server.seconds
        try:
            try:
                return self._tried(work, deadline, writes=writes)
            except psycopg.Error as exc:
                lost = self._is_lost(exc)
                self.close()
                if not lost:
                    raise
                return self._tried(work, deadline, writes=writes)
        except AnsweredAlreadyError:  # nothing is wrong with the connection
            raise
        except BaseException as exc:
            self.close()
            if isinstance(exc, psycopg.Error):
                raise self.server.error(exc) from exc
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _tried(self, work: Callable[[Connection], T], deadline: float, *, writes: bool) -> T:
        if writes and not self._writes:
            self.close()
        if self._connection is None:
            self._connection, self._writes = _opened(self.server, deadline, writes=writes), writes
            self._begin(self._connection)
        self._connection.deadline = deadline
        self._connection.warnings.clear()
        result = work(self._connection)
        if self._connection.warnings:  # as when it stopped waiting for a standby, and yet reported success
            raise StoreUnavailableError(f"{self.server.name}: {'; '.join(self._connection.warnings)}")
        return result

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether an open connection has ended, or leads to where nothing can be written any more."""
        if self._connection is None:
            return False
        ended = self._connection.broken or error.diag.severity_nonlocalized in {"FATAL", "PANIC"}
        return ended or isinstance(error, ReadOnlySqlTransaction)


def locked(connection: Connection, how: str) -> bool:
    """Whether the lock of whoever writes could be had."""
    ((had,),) = connection.execute(f"SELECT {how}(%s)".encode(), (IN_USE,))
    return bool(had)


def version(connection: Connection) -> int:
    """Of the schema; 0 where there is none."""
    ((there,),) = connection.execute("SELECT to_regclass('schema_versions') IS NOT NULL")
    if not there:
        return 0
    ((found,),) = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions")
    return int(found)


def settle(connection: Connection) -> None:
    """Wait until all that is seen is durable, on a synchronous standby too: any commit waits for those before it.

    What is seen may be of a transaction that was kept from waiting, its connection being ended.
    """
    connection.execute("SELECT pg_logical_emit_message(true, 'credit-risk', '')")


def unlimited(connection: Connection) -> None:
    """Let it take as long as it takes: for what takes as long as the table is large."""
    connection.deadline = float("inf")
    connection.execute("SET statement_timeout = 0")


def _opened(server: Server, deadline: float, *, writes: bool) -> Connection:
    """A connection to a database of this version's schema, which stays so while it is written to."""
    connection = server.connected(deadline, writes=writes)
    try:
        if writes:
            _hold(connection, server)
        _check_version(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def _hold(connection: Connection, server: Server) -> None:
    if not locked(connection, "pg_try_advisory_lock_shared"):
        raise StoreUnavailableError(f"{server.name}: its schema is being migrated; try again")


def _check_version(connection: Connection, server: Server) -> None:
    found, wanted = version(connection), len(migrations(KIND))
    if found != wanted:
        raise StoreVersionError(wrong_version(server.name, found, wanted))
