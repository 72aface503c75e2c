"""A folder of SQLite files with its events, and what its owner does to it while no service writes there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from records.chain import Entry
from records.errors import StoreUnavailableError
from records.events.event import Kind
from records.shadow.in_sqlite import delete_verdicts
from records.stores.base import DECISIONS
from records.stores.ledger import STEP, Decide, Renew, in_steps
from records.stores.sqlite.events import EventFile
from records.stores.sqlite.files import alone, check_version, opened, transaction
from records.stores.sqlite.store import SQLiteFolder


class LedgerFolder(SQLiteFolder):
    """The store.

    Args:
        folder: of it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._events = EventFile(folder)
        self.tell = self._events.tell
        self.told = self._events.told
        self.events = self._events.events
        self.noticed = self._events.noticed

    def count(self) -> int:
        """How many entries there are."""
        return sum(number for (number,) in self._read("SELECT count(*) FROM decisions"))

    def count_sealed(self) -> int:
        """How many have a data key."""
        both = "SELECT (SELECT count(*) FROM decisions) + (SELECT count(*) FROM verdicts)"
        return sum(number for (number,) in self._read(both))

    def entries_of(self, decisions: Sequence[bytes]) -> list[Entry]:
        """Entries by id."""
        return self._among("d.id", decisions)

    def tagged(self, tags: Sequence[bytes]) -> list[Entry]:
        """Entries by reference."""
        return self._among("d.tag", tags)

    def purge(self, decisions: Sequence[bytes], decide: Decide) -> int:
        """Tell first, then destroy: where it breaks off in between, the same again does the rest."""
        with self._unused() as paths:
            self.tell(decisions, decide)
            purged = [event.decision for event in self.told(decisions) if event.kind == Kind.PURGED]
            return sum(_destroyed(path, purged) for path in paths)

    def reseal(self, renew: Renew) -> Iterator[tuple[int, int]]:
        """File by file, a transaction for each step."""
        with self._unused() as paths:
            for path in paths:
                with _cleaned(path) as connection:
                    yield from _resealed(connection, renew)
                    yield from _verdicts_resealed(connection, renew)

    def clean(self) -> None:
        """Nothing: each step leaves nothing."""

    def _among(self, column: str, values: Sequence[bytes]) -> list[Entry]:
        return [
            Entry(*row)
            for step in in_steps(values)
            for row in self._read(f"{DECISIONS} WHERE {column} IN ({_marks(step)})", *step)
        ]

    @contextmanager
    def _unused(self) -> Iterator[list[Path]]:
        """All files, while no service writes them.

        Raises:
            StoreError: one does.
        """
        paths = self._files()
        with ExitStack() as stack:
            for path in paths:
                stack.enter_context(alone(path))
            try:
                yield paths
            except sqlite3.Error as exc:
                raise StoreUnavailableError(f"{self._folder}: {exc}") from exc


@contextmanager
def _cleaned(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves nothing of what it overwrites, neither in the file's pages nor in its log."""
    with closing(opened(path, "rw")) as connection:
        check_version(connection, path)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        yield connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _destroyed(path: Path, decisions: Sequence[bytes]) -> int:
    purged = 0
    with _cleaned(path) as connection, transaction(connection):
        delete_verdicts(connection, decisions)
        for step in in_steps(decisions):
            purged += connection.execute(
                "UPDATE decisions SET content = x'', key = NULL, tag = NULL "  # noqa: S608  # nothing but question marks
                f"WHERE id IN ({_marks(step)}) AND length(content) > 0",
                step,
            ).rowcount
    return purged


def _resealed(connection: sqlite3.Connection, renew: Renew) -> Iterator[tuple[int, int]]:
    after = 0
    while step := connection.execute(
        f"SELECT number, id, key FROM decisions WHERE number > ? ORDER BY number LIMIT {STEP}",  # noqa: S608  # a constant
        (after,),
    ).fetchall():
        renewed = [(new, number) for number, decision, key in step if key and (new := renew(key, decision)) is not None]
        with transaction(connection):
            connection.executemany("UPDATE decisions SET key = ? WHERE number = ?", renewed)
        yield len(step), len(renewed)
        after = step[-1][0]


def _verdicts_resealed(connection: sqlite3.Connection, renew: Renew) -> Iterator[tuple[int, int]]:
    after: tuple[bytes, int, bytes] = (b"", 0, b"")
    while step := connection.execute(
        "SELECT basis, time, decision, key FROM verdicts WHERE (basis, time, decision) > (?, ?, ?) "  # noqa: S608  # a constant
        f"ORDER BY basis, time, decision LIMIT {STEP}",
        after,
    ).fetchall():
        renewed = [
            (new, basis, time, decision)
            for basis, time, decision, key in step
            if key and (new := renew(key, decision + basis)) is not None
        ]
        with transaction(connection):
            connection.executemany("UPDATE verdicts SET key = ? WHERE basis = ? AND time = ? AND decision = ?", renewed)
        yield len(step), len(renewed)
        after = step[-1][:3]


def _marks(values: Sequence[bytes]) -> str:
    return ", ".join("?" * len(values))
