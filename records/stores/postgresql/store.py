"""A database for all workers, on a server that outlives any of them.

Every write is one statement and its own transaction: it is there whole or not at all, and costs one round trip. After
any error the next use begins with a new connection, to whichever server may be written to then.

What was interrupted is tried once more, with the same entries: they may have been kept before the answer was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from psycopg.errors import UniqueViolation

from records.basis import Basis
from records.chain import Entry, Head, Writer
from records.errors import StoreUnavailableError
from records.idempotency.answer import Answer, NewAnswer
from records.idempotency.in_postgresql import FIND, forget, keep_answers
from records.shadow import in_postgresql as shadow
from records.shadow.verdict import StoredVerdict
from records.stores.base import DECISIONS, SECONDS, Query, unkept
from records.stores.postgresql.server import Connection, Server
from records.stores.postgresql.session import Session, settle, unlimited

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

_LAST = 1 << 62
"""After every time."""


class PostgreSQL:
    """The store. Its tables are made by `migrate`.

    Args:
        where: a URL, as libpq reads it.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        StoreError: it is no such URL.
    """

    def __init__(self, where: str, seconds: float = SECONDS) -> None:
        self._session = Session(Server(where, seconds))
        self._number = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.server.name})"

    def __str__(self) -> str:
        return self._session.server.name

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

        self._number = self._session.do(known, writes=True)

    def head(self, writer: Writer) -> Head:
        """Where the writer's chain has come to."""

        def last(connection: Connection) -> Head:
            found = connection.execute(
                "SELECT sequence, hash FROM decisions WHERE writer = %s ORDER BY sequence DESC LIMIT 1", (self._number,)
            ).fetchone()
            settle(connection)
            return writer.origin if found is None else Head(*found)

        return self._session.do(last, writes=True)

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        """Keep entries, in one transaction; none where they don't follow what is kept."""

        def insert(connection: Connection) -> None:
            if not self._inserted(connection, entries):
                rest = self._unkept(connection, entries)
                if rest and not self._inserted(connection, rest):
                    raise StoreUnavailableError(
                        f"{self._session.server.name}: a decision is kept at another place already"
                    )

        def both(connection: Connection) -> None:
            with connection.transaction():
                keep_answers(connection, answers)
                if entries:
                    insert(connection)

        if answers:
            self._session.do(both, writes=True)
        elif entries:
            self._session.do(insert, writes=True)

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
            self._session.do(kept, writes=True)

    def archived(self, digest: str) -> bytes | None:
        """A file that was kept."""
        found = self._read("SELECT content FROM artifacts WHERE digest = %s", digest)
        return found[0][0] if found and sha256(found[0][0]).hexdigest() == digest else None

    def keep_verdicts(self, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
        """Keep what a challenger said."""
        if verdicts:
            self._session.do(lambda connection: shadow.keep_verdicts(connection, basis, verdicts), writes=True)

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

        closed = self._session.do(destroyed, writes=True)
        self._session.do(cleaned, writes=True)
        self.close()  # and with it what has no limits
        return closed

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

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
        return unkept(entries, last, kept, str(self))

    def _read(self, sql: str, *values: object) -> list[Any]:
        return self._session.do(lambda connection: connection.execute(sql.encode(), values, binary=True).fetchall())
