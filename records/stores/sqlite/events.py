"""The file of events in a folder of SQLite files.

Workers have a file each, and hold it as long as they live. Events are told by commands and by any worker, seldom: so
theirs is one file, which each opens for one transaction under a lock. It has a rollback journal: a write-ahead log that
several connections write to is what SQLite up to 3.51.2 can damage (see sqlite.py).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from records.chain import Head
from records.errors import StoreUnavailableError
from records.events.event import ORIGIN, Event, linked, of_each
from records.stores.ledger import STEP, Decide, in_steps
from records.stores.sqlite.files import bring_up, check_version

KIND = "sqlite-events"
NAME = "events.sqlite"
SECONDS = 10.0
"""After which the file's lock is given up."""

_EVENTS = "SELECT sequence, time, kind, decision, day, content, hash FROM events"


class EventFile:
    """All events of a folder.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def tell(self, decisions: Sequence[bytes], decide: Decide) -> list[Event]:
        """Keep what is new, in one transaction."""
        with self._alone(), self._errors():
            self._make()
            with closing(self._opened()) as connection:
                known = [event for step in in_steps(decisions) for event in _of(connection, step)]
                last = connection.execute("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
                events = linked(decide(of_each(known, decisions)), ORIGIN if last is None else Head(*last))
                with connection:
                    connection.executemany(
                        "INSERT INTO events (sequence, time, kind, decision, day, content, hash) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        events,
                    )
        return events

    def told(self, decisions: Sequence[bytes]) -> list[Event]:
        """What was told of some decisions."""
        if not self._path.exists():
            return []
        with self._errors(), closing(self._opened()) as connection:
            return sorted(event for step in in_steps(decisions) for event in _of(connection, step))

    def events(self, after: int = 0) -> Iterator[Event]:
        """All that was told behind a sequence."""
        while step := self._step(f"{_EVENTS} WHERE sequence > ? ORDER BY sequence LIMIT {STEP}", after):
            yield from map(Event._make, step)
            after = step[-1][0]

    def noticed(self, until: int) -> Iterator[list[bytes]]:
        """Decisions with a notice of a day or before."""
        after = (-1, 0)
        while step := self._step(
            "SELECT day, sequence, decision FROM events told "  # noqa: S608  # a constant
            f"WHERE kind = 'notified' AND (day, sequence) > (?, ?) AND day <= ? "
            "AND NOT EXISTS (SELECT 1 FROM events later WHERE later.decision = told.decision "
            "AND later.kind = told.kind AND later.sequence > told.sequence) "
            f"ORDER BY day, sequence LIMIT {STEP}",
            *after,
            until,
        ):
            yield [decision for _, _, decision in step]
            after = step[-1][:2]

    def migrate(self) -> bool:
        """Bring the file to this version's schema; whether there was something to do."""
        if not self._path.exists():
            return False
        with self._alone(), self._errors():
            return self._make()

    def _step(self, sql: str, *values: object) -> list[Any]:
        if not self._path.exists():
            return []
        with self._errors(), closing(self._opened()) as connection:
            return connection.execute(sql, values).fetchall()

    def _make(self) -> bool:
        """Bring the file to this version's schema, from nothing on; whoever does it has the lock."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(self._connected()) as connection:
            return bring_up(connection, self._path, KIND)

    def _opened(self) -> sqlite3.Connection:
        connection = self._connected()
        try:
            check_version(connection, self._path, KIND)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> sqlite3.Connection:
        # Writable for who reads, too: after a crash the journal is rolled back by whoever comes first.
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=SECONDS)
        connection.execute("PRAGMA synchronous=EXTRA")  # FULL doesn't sync that the journal is gone
        return connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else tells anything.

        Raises:
            StoreUnavailableError: somebody does, and doesn't end.
        """
        deadline = time.monotonic() + SECONDS
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StoreUnavailableError(f"{self._path.parent}: {exc}") from exc
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreUnavailableError(f"{self._path}: another command holds it; try again") from None
                    time.sleep(0.01)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            raise StoreUnavailableError(f"{self._path}: {exc}") from exc


def migrate(folder: Path) -> int:
    """Bring the file to this version's schema, where there is one.

    Returns:
        How many files were changed: one or none.
    """
    return int(EventFile(folder).migrate())


def _of(connection: sqlite3.Connection, decisions: Sequence[bytes]) -> list[Event]:
    marks = ", ".join("?" * len(decisions))
    found = connection.execute(f"{_EVENTS} WHERE decision IN ({marks}) ORDER BY sequence", decisions)
    return [Event._make(row) for row in found]
