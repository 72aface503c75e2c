"""A database for all workers, on a server that outlives any of them.

Every write is one statement and its own transaction: it is there whole or not at all, and costs one round trip. After
any error the next use begins with a new connection, to whichever server may be written to then.

What was interrupted is tried once more, with the same entries: they may have been kept before the answer was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any, TypeVar

import psycopg
from psycopg.errors import ReadOnlySqlTransaction, UniqueViolation
from psycopg.sql import SQL, Identifier

from records.basis import Basis
from records.chain import Entry, Head, Writer
from records.errors import AnsweredAlreadyError, StoreError, StoreUnavailableError, StoreVersionError
from records.idempotency.answer import Answer, NewAnswer
from records.idempotency.in_postgresql import FIND, forget, keep_answers
from records.shadow import in_postgresql as shadow
from records.shadow.verdict import StoredVerdict
from records.stores.base import DECISIONS, SECONDS, Query, unkept
from records.stores.server import IN_USE, Connection, Server
from records.stores.versions import migrations, wrong_version

KIND = "postgres"

_STEP = 1000
"""Entries read in one go: who reads long keeps the server from cleaning up."""

# The writer's number by itself: the planner, who doesn't know that it is one, would read the table for a join.
_NEXT = (
    f"{DECISIONS} WHERE d.writer = (SELECT number FROM writers WHERE id = %s) AND d.sequence > %s "  # noqa: S608  # constants
    f"ORDER BY d.sequence LIMIT {_STEP}"
)

_APPEND = """
INSERT INTO decisions (writer, sequence, id, time, outcome, caller, tag, content, key, hash)
SELECT %b::integer, entry.*
FROM unnest(
    %b::bigint[], %b::bytea[], %b::bigint[], %b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[]
) AS entry
WHERE (SELECT coalesce(max(sequence), 0) FROM decisions WHERE writer = %b::integer) = %b::bigint
"""
"""Nothing at all where the first one doesn't follow the last that is kept: a chain has no gaps."""

_RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT UPDATE, DELETE ON {schema}.answers, {schema}.claims TO {role}",
)

_LAST = 1 << 62
"""After every time."""

T = TypeVar("T")


class PostgreSQL:
    """The store. Its tables are made by `migrate`.

    Args:
        where: a URL, as libpq reads it.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        StoreError: it is no such URL.
    """

    def __init__(self, where: str, seconds: float = SECONDS) -> None:
        self._server = Server(where, seconds)
        self._connection: Connection | None = None
        self._writes = False
        self._number = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.name})"

    def __str__(self) -> str:
        return self._server.name

    def begin(self, writer: Writer, basis: Basis) -> None:
        """Make a writer known."""

        def known(connection: Connection) -> int:
            connection.execute(
                "INSERT INTO bases VALUES (%s, %s) ON CONFLICT DO NOTHING", (basis.digest, basis.document)
            )
            connection.execute(
                "INSERT INTO writers (id, started, basis) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING",
                (writer.id, writer.started, writer.basis),
            )
            ((number,),) = connection.execute("SELECT number FROM writers WHERE id = %s", (writer.id,))
            return int(number)

        self._number = self._done(known, writes=True)

    def head(self, writer: Writer) -> Head:
        """Where the writer's chain has come to."""

        def last(connection: Connection) -> Head:
            found = connection.execute(
                "SELECT sequence, hash FROM decisions WHERE writer = %s ORDER BY sequence DESC LIMIT 1", (self._number,)
            ).fetchone()
            settle(connection)
            return writer.origin if found is None else Head(*found)

        return self._done(last, writes=True)

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        """Keep entries, in one transaction; none where they don't follow what is kept."""

        def insert(connection: Connection) -> None:
            if not self._inserted(connection, entries):
                rest = self._unkept(connection, entries)
                if rest and not self._inserted(connection, rest):
                    raise StoreUnavailableError(f"{self._server.name}: a decision is kept at another place already")

        def both(connection: Connection) -> None:
            with connection.transaction():
                keep_answers(connection, answers)
                if entries:
                    insert(connection)

        if answers:
            self._done(both, writes=True)
        elif entries:
            self._done(insert, writes=True)

    def writers(self) -> Sequence[Writer]:
        """All that ever wrote."""
        return [Writer(*row) for row in self._read("SELECT id, started, basis FROM writers ORDER BY started, id")]

    def basis(self, digest: bytes) -> Basis | None:
        """What a writer decided by."""
        found = self._read("SELECT document FROM bases WHERE digest = %s", digest)
        return Basis.model_validate_json(found[0][0]) if found else None

    def entries(self, writer: Writer, after: int = 0) -> Iterator[Entry]:
        """A writer's entries, a step at a time."""
        while step := [Entry(*row) for row in self._read(_NEXT, writer.id, after)]:
            yield from step
            after = step[-1].sequence

    def get(self, identifier: bytes) -> Entry | None:
        """One entry."""
        return next((Entry(*row) for row in self._read(f"{DECISIONS} WHERE d.id = %s", identifier)), None)

    def find(self, query: Query) -> Sequence[Entry]:
        """Entries, the latest first."""
        asked = query.conditions()
        where = " WHERE " + " AND ".join(f"{condition} %s" for condition in asked) if asked else ""
        found = self._read(
            f"{DECISIONS}{where} ORDER BY d.time DESC, d.sequence DESC LIMIT %s", *asked.values(), query.most
        )
        return [Entry(*row) for row in found]

    def answers(self, keys: Sequence[bytes]) -> Mapping[bytes, Answer]:
        """What these keys were answered."""
        return {row[0]: Answer(*row) for row in self._read(FIND, list(keys))}

    def archive(self, files: Mapping[str, bytes]) -> None:
        """Keep files, each in a row of its own."""

        def kept(connection: Connection) -> None:
            for digest, content in missing.items():
                connection.execute("INSERT INTO artifacts VALUES (%s, %b) ON CONFLICT DO NOTHING", (digest, content))

        missing = {digest: content for digest, content in files.items() if self.archived(digest) is None}
        if missing:
            self._done(kept, writes=True)

    def archived(self, digest: str) -> bytes | None:
        """A file that was kept."""
        found = self._read("SELECT content FROM artifacts WHERE digest = %s", digest)
        return found[0][0] if found and sha256(found[0][0]).hexdigest() == digest else None

    def keep_verdicts(self, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
        """Keep what a challenger said."""
        if verdicts:
            self._done(lambda connection: shadow.keep_verdicts(connection, basis, verdicts), writes=True)

    def challengers(self) -> Sequence[Basis]:
        """What verdicts are kept of."""
        return [Basis.model_validate_json(document) for (document,) in self._read(shadow.CHALLENGERS)]

    def verdicts(self, basis: bytes, since: int = 0, until: int | None = None) -> Iterator[StoredVerdict]:
        """What a challenger said, a step at a time."""
        after, end = (since, b""), _LAST if until is None else until
        while step := [StoredVerdict(*row) for row in self._read(shadow.NEXT, basis, *after, end, shadow.STEP)]:
            yield from step
            after = step[-1].time, step[-1].decision

    def destroy_keys(self, tag: bytes) -> int:
        """Destroy the data keys of a reference, in the table's pages too; the caller owns the table.

        Copies elsewhere (the server's own log, standbys, archives, backups) hold them until they end. Who must reach
        these turns to a new key of the ring, and destroys the old one.
        """

        def destroyed(connection: Connection) -> int:
            sql = "UPDATE decisions SET key = NULL WHERE tag = %s AND key IS NOT NULL"
            with connection.transaction():
                shadow.close_verdicts(connection, tag)
                forget(connection, tag)
                return connection.execute(sql, (tag,)).rowcount

        def cleaned(connection: Connection) -> None:
            unlimited(connection)
            connection.execute("VACUUM decisions")
            connection.execute("VACUUM answers")
            connection.execute("VACUUM verdicts")

        closed = self._done(destroyed, writes=True)
        self._done(cleaned, writes=True)
        self.close()  # and with it what has no limits
        return closed

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _inserted(self, connection: Connection, entries: Sequence[Entry]) -> bool:
        _, *columns = map(list, zip(*entries, strict=True))
        try:
            cursor = connection.execute(
                _APPEND, (self._number, *columns, self._number, entries[0].sequence - 1), prepare=True
            )
        except UniqueViolation:  # also by a connection that was given up, whose statement was still on its way
            return False
        return cursor.rowcount == len(entries)

    def _unkept(self, connection: Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
        ((last,),) = connection.execute(
            "SELECT coalesce(max(sequence), 0) FROM decisions WHERE writer = %s", (self._number,)
        )
        kept = connection.execute(
            "SELECT sequence, hash FROM decisions WHERE writer = %s AND sequence BETWEEN %s AND %s ORDER BY sequence",
            (self._number, entries[0].sequence, entries[-1].sequence),
        ).fetchall()
        settle(connection)
        return unkept(entries, last, kept, self._server.name)

    def _read(self, sql: str, *values: object) -> list[Any]:
        return self._done(lambda connection: connection.execute(sql.encode(), values, binary=True).fetchall())

    def _done(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        deadline = time.monotonic() + self._server.seconds
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
                raise self._server.error(exc) from exc
            raise

    def _tried(self, work: Callable[[Connection], T], deadline: float, *, writes: bool) -> T:
        if writes and not self._writes:
            self.close()
        if self._connection is None:
            self._connection, self._writes = opened(self._server, deadline, writes=writes), writes
        self._connection.deadline = deadline
        self._connection.warnings.clear()
        result = work(self._connection)
        if self._connection.warnings:  # as when it stopped waiting for a standby, and yet reported success
            raise StoreUnavailableError(f"{self._server.name}: {'; '.join(self._connection.warnings)}")
        return result

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether an open connection has ended, or leads to where nothing can be written any more."""
        if self._connection is None:
            return False
        ended = self._connection.broken or error.diag.severity_nonlocalized in {"FATAL", "PANIC"}
        return ended or isinstance(error, ReadOnlySqlTransaction)


def migrate(where: str, seconds: float = SECONDS) -> int:
    """Bring a database to this version's schema, each step in one transaction; not while it is written to.

    One that has it already is left alone, whoever writes it.

    Returns:
        How many databases were changed: one or none.

    Raises:
        StoreError: it stays in use, is newer than this version, or can't be reached.
    """
    server = Server(where, seconds)
    deadline = time.monotonic() + seconds
    try:
        with closing(server.connected(deadline, writes=True)) as connection:
            if _version(connection) == len(migrations(KIND)):
                return 0
            while not _locked(connection, "pg_try_advisory_lock"):
                if time.monotonic() > deadline:
                    raise StoreError(f"{server.name}: in use; stop the services that write it")
                time.sleep(0.1)
            unlimited(connection)
            return _applied(connection, server)
    except psycopg.Error as exc:
        raise server.error(exc) from exc


def grant(where: str, role: str, seconds: float = SECONDS) -> None:
    """Give a role what a service needs, and no more: it adds, and changes nothing but kept answers and claims.

    Raises:
        StoreError: there is no such role, the tables are another's, or the database can't be reached.
    """
    server = Server(where, seconds)
    try:
        with closing(server.connected(time.monotonic() + seconds, writes=True)) as connection:
            ((schema,),) = connection.execute("SELECT current_schema()")
            names = {"schema": Identifier(schema), "role": Identifier(role)}
            with connection.transaction():
                for right in _RIGHTS:
                    connection.execute(SQL(right).format(**names))
    except psycopg.Error as exc:
        raise server.error(exc) from exc


def _applied(connection: Connection, server: Server) -> int:
    steps = migrations(KIND)
    found = _version(connection)
    if found > len(steps):
        raise StoreVersionError(wrong_version(server.name, found, len(steps)))
    for step in steps[found:]:
        with connection.transaction():
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_versions "
                "(version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
            )
            connection.execute(step.sql.encode())
            connection.execute("INSERT INTO schema_versions (version) VALUES (%s)", (step.version,))
    return int(found < len(steps))


def opened(server: Server, deadline: float, *, writes: bool) -> Connection:
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
    if not _locked(connection, "pg_try_advisory_lock_shared"):
        raise StoreUnavailableError(f"{server.name}: its schema is being migrated; try again")


def _locked(connection: Connection, how: str) -> bool:
    ((locked,),) = connection.execute(f"SELECT {how}(%s)".encode(), (IN_USE,))
    return bool(locked)


def _check_version(connection: Connection, server: Server) -> None:
    found, wanted = _version(connection), len(migrations(KIND))
    if found != wanted:
        raise StoreVersionError(wrong_version(server.name, found, wanted))


def _version(connection: Connection) -> int:
    ((there,),) = connection.execute("SELECT to_regclass('schema_versions') IS NOT NULL")
    if not there:
        return 0
    ((version,),) = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions")
    return int(version)


def settle(connection: Connection) -> None:
    """Wait until all that is seen is durable, on a synchronous standby too: any commit waits for those before it.

    What is seen may be of a transaction that was kept from waiting, its connection being ended.
    """
    connection.execute("SELECT pg_logical_emit_message(true, 'credit-risk', '')")


def unlimited(connection: Connection) -> None:
    """Let it take as long as it takes: for what takes as long as the table is large."""
    connection.deadline = float("inf")
    connection.execute("SET statement_timeout = 0")
