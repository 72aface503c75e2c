"""A database with its events, and what its owner does to it while services write there.

Who tells something holds a lock until the transaction is over: the chain of events has one end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from records.chain import Entry, Head
from records.events.event import ORIGIN, Event, Kind, linked, of_each
from records.shadow.in_postgresql import delete_verdicts
from records.stores.base import DECISIONS
from records.stores.ledger import STEP, Decide, Renew
from records.stores.postgresql.server import Connection
from records.stores.postgresql.session import unlimited
from records.stores.postgresql.store import PostgreSQL

_TELLING = 0x6372_6564_6975
"""The advisory lock."""

_FEW = 1000
"""Decisions that can be told of within the time that a service waits."""

_EVENTS = "SELECT sequence, time, kind, decision, day, content, hash FROM events"
_OF = f"{_EVENTS} WHERE decision = ANY(%s) ORDER BY sequence"
_LAST = "SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1"
_TELL = "INSERT INTO events (sequence, time, kind, decision, day, content, hash) VALUES (%s, %s, %s, %b, %s, %b, %b)"
_NOTICED = (
    "SELECT day, sequence, decision FROM events told "  # noqa: S608  # a constant, as all of these
    f"WHERE kind = 'notified' AND (day, sequence) > (%s, %s) AND day <= %s "
    "AND NOT EXISTS (SELECT 1 FROM events later WHERE later.decision = told.decision AND later.kind = told.kind "
    "AND later.sequence > told.sequence) "
    f"ORDER BY day, sequence LIMIT {STEP}"
)
_PURGE = "UPDATE decisions SET content = '', key = NULL, tag = NULL WHERE id = ANY(%s) AND length(content) > 0"
_VERDICTS = (
    "SELECT basis, time, decision, key FROM verdicts WHERE (basis, time, decision) > (%s, %s, %s) "  # noqa: S608  # as above
    f"ORDER BY basis, time, decision LIMIT {STEP}"
)
_RESEAL_VERDICTS = (
    "UPDATE verdicts SET key = new.key FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[]) "
    "AS new (basis, decision, was, key) "
    "WHERE verdicts.basis = new.basis AND verdicts.decision = new.decision AND verdicts.key = new.was"
)
_KEYS = (
    "SELECT d.sequence, d.id, d.key FROM decisions d "  # noqa: S608  # as above
    f"WHERE d.writer = (SELECT number FROM writers WHERE id = %s) AND d.sequence > %s ORDER BY d.sequence LIMIT {STEP}"
)
_RESEAL = (
    "UPDATE decisions SET key = new.key FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[]) AS new (id, was, key) "
    "WHERE decisions.id = new.id AND decisions.key = new.was"
)
"""Not where it was destroyed meanwhile."""


class LedgerDatabase(PostgreSQL):
    """The store."""

    def count(self) -> int:
        """How many entries there are."""
        return self._counted("SELECT count(*) FROM decisions")

    def count_sealed(self) -> int:
        """How many have a data key."""
        return self._counted("SELECT (SELECT count(*) FROM decisions) + (SELECT count(*) FROM verdicts)")

    def entries_of(self, decisions: Sequence[bytes]) -> list[Entry]:
        """Entries by id."""
        return [Entry(*row) for row in self._read(f"{DECISIONS} WHERE d.id = ANY(%s)", list(decisions))]

    def tagged(self, tags: Sequence[bytes]) -> list[Entry]:
        """Entries by reference."""
        return [Entry(*row) for row in self._read(f"{DECISIONS} WHERE d.tag = ANY(%s)", list(tags))]

    def tell(self, decisions: Sequence[bytes], decide: Decide) -> list[Event]:
        """Keep what is new, in one transaction."""

        def kept(connection: Connection) -> list[Event]:
            if len(decisions) > _FEW:
                unlimited(connection)
            with connection.transaction():
                return _told(connection, decisions, decide)

        events = self._session.do(kept, writes=True)
        if len(decisions) > _FEW:
            self.close()  # and with it what has no limits
        return events

    def told(self, decisions: Sequence[bytes]) -> list[Event]:
        """What was told of some decisions."""
        return [Event(*row) for row in self._read(_OF, list(decisions))]

    def events(self, after: int = 0) -> Iterator[Event]:
        """All that was told behind a sequence."""
        while step := self._read(f"{_EVENTS} WHERE sequence > %s ORDER BY sequence LIMIT {STEP}", after):
            events = [Event(*row) for row in step]
            yield from events
            after = events[-1].sequence

    def noticed(self, until: int) -> Iterator[list[bytes]]:
        """Decisions with a notice of a day or before."""
        after = (-1, 0)
        while step := self._read(_NOTICED, *after, until):
            yield [decision for _, _, decision in step]
            after = step[-1][:2]

    def purge(self, decisions: Sequence[bytes], decide: Decide) -> int:
        """Tell and destroy in one transaction; `clean` empties the pages."""

        def purged(connection: Connection) -> int:
            with connection.transaction():
                _told(connection, decisions, decide)
                gone = [event.decision for event in _of(connection, decisions) if event.kind == Kind.PURGED]
                delete_verdicts(connection, gone)
                return connection.execute(_PURGE, (gone,)).rowcount

        return self._session.do(purged, writes=True)

    def reseal(self, renew: Renew) -> Iterator[tuple[int, int]]:
        """Writer by writer, a transaction for each step."""
        for writer in self.writers():
            after = 0
            while step := self._read(_KEYS, writer.id, after):
                renewed = [
                    (decision, key, new)
                    for _, decision, key in step
                    if key is not None and (new := renew(key, decision)) is not None
                ]
                yield len(step), self._resealed(_RESEAL, renewed)
                after = step[-1][0]
        last: tuple[bytes, int, bytes] = (b"", 0, b"")
        while step := self._read(_VERDICTS, *last):
            of_verdicts = [
                (basis, decision, key, new)
                for basis, _, decision, key in step
                if key is not None and (new := renew(key, decision + basis)) is not None
            ]
            yield len(step), self._resealed(_RESEAL_VERDICTS, of_verdicts)
            last = step[-1][:3]

    def clean(self) -> None:
        """Empty the table's pages of what was overwritten."""

        def cleaned(connection: Connection) -> None:
            unlimited(connection)
            connection.execute("VACUUM decisions, verdicts")

        self._session.do(cleaned, writes=True)
        self.close()  # as above

    def _counted(self, sql: str) -> int:
        def counted(connection: Connection) -> int:
            unlimited(connection)
            ((number,),) = connection.execute(sql.encode())
            return int(number)

        number = self._session.do(counted)
        self.close()  # as above
        return number

    def _resealed(self, sql: str, renewed: Sequence[tuple[bytes, ...]]) -> int:
        if not renewed:
            return 0
        columns = [list(column) for column in zip(*renewed, strict=True)]
        return self._session.do(lambda connection: connection.execute(sql.encode(), columns).rowcount, writes=True)


def _told(connection: Connection, decisions: Sequence[bytes], decide: Decide) -> list[Event]:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TELLING,))
    last = connection.execute(_LAST).fetchone()
    news = decide(of_each(_of(connection, decisions), decisions))
    events = linked(news, ORIGIN if last is None else Head(*last))
    with connection.cursor() as cursor:
        cursor.executemany(_TELL, events)
    return events


def _of(connection: Connection, decisions: Sequence[bytes]) -> list[Event]:
    return [Event(*row) for row in connection.execute(_OF, (list(decisions),), binary=True)]
