"""A folder with a file for each worker: what one machine needs, and nothing to run beside the service.

One process writes a file, under a lock: SQLite up to 3.51.2 can damage a write-ahead log that several connections
write to (sqlite.org/wal.html#walresetbug). `synchronous=FULL`: a commit that has returned outlives a loss of power.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import lru_cache, partial
from hashlib import sha256
from heapq import merge, nlargest
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from records.basis import Basis
from records.chain import Entry, Head, Writer
from records.durable import make_folder_durably, make_sure_of_room, replace_durably
from records.errors import AnsweredAlreadyError, StoreError, StoreUnavailableError
from records.idempotency.answer import Answer, NewAnswer
from records.idempotency.in_sqlite import all_answers, answers_to, forget, forget_expired, keep_answers
from records.shadow import in_sqlite as shadow
from records.shadow.verdict import StoredVerdict
from records.stores.base import DECISIONS, Query, unkept
from records.stores.sqlite.files import alone, check_version, delete, made, opened, transaction, upgrade

MAX_FILES = 256
ROOM_BYTES = 1024 * 1024
"""What a folder must have room for before it is written to, at start and after a failure: a full disk lets a file be
opened, and fails with the next decision."""

ARCHIVE = "artifacts"
"""The folder of what was decided by, within the store's."""

FILES = "[0-9]*.sqlite"  # the workers'; events have one of their own
_WRITTEN = "sequence, id, time, outcome, caller, tag, content, key, hash"
_STATEMENTS = 128
"""Kept ready, one for each number of rows, as many as a connection keeps."""

_MOST_INSERTED = 256
"""By one statement. What is kept ready of it may take half a kilobyte for each row."""

_STEP = 1000
"""Entries read in one go: who reads long holds up the log's checkpoints."""

_LAST = 1 << 62
"""After every time."""

T = TypeVar("T")


@lru_cache(maxsize=_STATEMENTS)
def _append(rows: int) -> str:
    """One statement, so one transaction, and one turn without the interpreter's lock: each costs a wait for it."""
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    # Nothing at all where the first one doesn't follow the last that is kept: a chain has no gaps.
    return (
        f"INSERT INTO decisions (writer, {_WRITTEN}) SELECT ?, * FROM (VALUES {values}) "  # noqa: S608  # names and question marks
        "WHERE (SELECT coalesce(max(sequence), ?) FROM decisions WHERE writer = ?) = ?"
    )


class SQLiteFolder:
    """The store. Writing takes a file of its own; reading goes through all of them.

    Args:
        folder: made where it isn't there.
        most_bytes: of the file that is written; more are refused. None where only the disk is a limit.
        parts: a writer's entries may begin anywhere in its chain.
    """

    def __init__(self, folder: Path, most_bytes: int | None = None, *, parts: bool = False) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._parts = parts
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._path: Path | None = None
        self._number = 0

    def begin(self, writer: Writer, basis: Basis) -> None:
        """Take a file, and make a writer known in it."""

        def known(connection: sqlite3.Connection) -> int:
            forget_expired(connection)
            connection.execute("INSERT OR IGNORE INTO bases VALUES (?, ?)", (basis.digest, basis.document))
            connection.execute(
                "INSERT OR IGNORE INTO writers (id, started, basis) VALUES (?, ?, ?)",
                (writer.id, writer.started, writer.basis),
            )
            found = connection.execute("SELECT number FROM writers WHERE id = ?", (writer.id,)).fetchone()
            return int(found[0])

        self._number = self._written(known)

    def head(self, writer: Writer) -> Head:
        """Where the writer's chain has come to."""

        def last(connection: sqlite3.Connection) -> Head:
            found = connection.execute(
                "SELECT sequence, hash FROM decisions WHERE writer = ? ORDER BY sequence DESC LIMIT 1", (self._number,)
            ).fetchone()
            return writer.origin if found is None else Head(*found)

        return self._written(last)

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        """Keep entries, in one transaction."""

        def insert(connection: sqlite3.Connection, part: Sequence[Entry]) -> None:
            if not self._inserted(connection, part):
                rest = self._unkept(connection, part)
                if rest and not self._inserted(connection, rest):
                    raise StoreUnavailableError(f"{self._folder}: a decision is kept at another place already")

        def several(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                keep_answers(connection, answers)
                for start in range(0, len(entries), _MOST_INSERTED):
                    insert(connection, entries[start : start + _MOST_INSERTED])

        if answers or len(entries) > _MOST_INSERTED:
            self._written(several)
        elif entries:
            self._written(partial(insert, part=entries))

    def writers(self) -> Sequence[Writer]:
        """All that ever wrote."""
        found = self._read("SELECT id, started, basis FROM writers")
        return sorted((Writer(*row) for row in found), key=lambda writer: (writer.started, writer.id))

    def basis(self, digest: bytes) -> Basis | None:
        """What a writer decided by."""
        found = next(self._read("SELECT document FROM bases WHERE digest = ?", digest), None)
        return None if found is None else Basis.model_validate_json(found[0])

    def entries(self, writer: Writer, after: int = 0) -> Iterator[Entry]:
        """A writer's entries behind a sequence, a step at a time."""
        while step := [
            Entry(*row)
            for row in self._read(
                f"{DECISIONS} WHERE w.id = ? AND d.sequence > ? ORDER BY d.sequence LIMIT {_STEP}", writer.id, after
            )
        ]:
            yield from step
            after = step[-1].sequence

    def get(self, identifier: bytes) -> Entry | None:
        """One entry."""
        return next((Entry(*row) for row in self._read(f"{DECISIONS} WHERE d.id = ?", identifier)), None)

    def find(self, query: Query) -> Sequence[Entry]:
        """Entries, the latest first."""
        asked = query.conditions()
        where = " WHERE " + " AND ".join(f"{condition} ?" for condition in asked) if asked else ""
        found = self._read(
            f"{DECISIONS}{where} ORDER BY d.time DESC, d.number DESC LIMIT ?", *asked.values(), query.most
        )
        return nlargest(query.most, (Entry(*row) for row in found), key=lambda entry: (entry.time, entry.sequence))

    def answers(self, keys: Sequence[bytes]) -> Mapping[bytes, Answer]:
        """What these keys were answered; where the clock was set back, several files may have one: the latest."""
        sql, values = answers_to(keys)
        return {row[1]: Answer(*row[1:]) for row in sorted(self._read(sql, *values))}

    def archive(self, files: Mapping[str, bytes]) -> None:
        """Keep files, each under its digest as its name."""
        folder = self._folder / ARCHIVE
        try:
            make_folder_durably(folder, 0o700)
            for digest, content in files.items():
                if self.archived(digest) is None:
                    replace_durably(folder / digest, content)
        except OSError as exc:
            raise StoreUnavailableError(f"{folder}: {exc}") from exc

    def archived(self, digest: str) -> bytes | None:
        """A file that was kept."""
        try:
            content = (self._folder / ARCHIVE / digest).read_bytes()
        except FileNotFoundError:
            return None
        return content if sha256(content).hexdigest() == digest else None

    def keep_verdicts(self, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
        """Keep what a challenger said, in a file of its own process."""
        if verdicts:
            self._written(lambda connection: shadow.keep_verdicts(connection, basis, verdicts))

    def challengers(self) -> Sequence[Basis]:
        """What verdicts are kept of."""
        documents = {document for (document,) in self._read(shadow.CHALLENGERS)}
        return [Basis.model_validate_json(document) for document in sorted(documents)]

    def verdicts(self, basis: bytes, since: int = 0, until: int | None = None) -> Iterator[StoredVerdict]:
        """What a challenger said, a step at a time of each file."""

        def of(path: Path) -> Iterator[StoredVerdict]:
            after = since, b""
            while step := [
                StoredVerdict(*row) for row in self._rows(path, shadow.NEXT, basis, *after, end, shadow.STEP)
            ]:
                yield from step
                after = step[-1].time, step[-1].decision

        end = _LAST if until is None else until
        return merge(*map(of, self._files()), key=lambda verdict: (verdict.time, verdict.decision))

    def destroy_keys(self, tag: bytes) -> int:
        """Destroy the data keys of a reference in all files, and in what is left over in their pages and logs."""
        with ExitStack() as stack:
            for path in self._files():
                stack.enter_context(alone(path))
            return sum(_destroyed(path, tag) for path in self._files())

    @property
    def path(self) -> Path | None:
        """The file that is written; None before the first use."""
        return self._path

    def rows(self) -> int:
        """How many entries were written to all files; none is ever deleted."""
        return sum(number or 0 for (number,) in self._read("SELECT max(number) FROM decisions"))

    def discard(self) -> None:
        """Delete the file that is written, with all that is in it."""
        path = self._path
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if path is not None:
            delete(path)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._path = None

    def _inserted(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> bool:
        before = entries[0].sequence - 1
        values: list[object] = [self._number]
        for entry in entries:
            values += entry[1:]
        values += (before if self._parts else 0, self._number, before)
        try:
            cursor = connection.execute(_append(len(entries)), values)
        except sqlite3.IntegrityError:
            return False
        return cursor.rowcount == len(entries)

    def _unkept(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
        (last,) = connection.execute(
            "SELECT coalesce(max(sequence), 0) FROM decisions WHERE writer = ?", (self._number,)
        ).fetchone()
        kept = connection.execute(
            "SELECT sequence, hash FROM decisions WHERE writer = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
            (self._number, entries[0].sequence, entries[-1].sequence),
        ).fetchall()
        return unkept(entries, last, kept, str(self._folder))

    def _written(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._take()
            return work(self._connection)
        except AnsweredAlreadyError:  # nothing is wrong with the file
            raise
        except StoreError:
            self.close()
            raise
        except (sqlite3.Error, OSError) as exc:
            self.close()
            raise StoreUnavailableError(f"{self._folder}: {exc}") from exc

    def _take(self) -> sqlite3.Connection:
        make_folder_durably(self._folder, 0o700)
        make_sure_of_room(self._folder, ROOM_BYTES)
        for number in range(MAX_FILES):
            lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            self._lock, self._path = lock, self._folder / f"{number}.sqlite"
            connection = made(self._path)
            if self._most_bytes is not None:
                (page,) = connection.execute("PRAGMA page_size").fetchone()
                connection.execute(f"PRAGMA max_page_count={self._most_bytes // page}")
            return connection
        raise StoreError(f"{self._folder}: all {MAX_FILES} files are in use; give each service a folder of its own")

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(FILES))

    def _read(self, sql: str, *values: object) -> Iterator[Any]:
        return chain.from_iterable(self._rows(path, sql, *values) for path in self._files())

    def _rows(self, path: Path, sql: str, *values: object) -> Sequence[Any]:
        try:
            with closing(opened(path, "ro")) as connection:
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                    return ()  # it is just being made
                connection.text_factory = _text
                check_version(connection, path)
                return connection.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise StoreUnavailableError(f"{self._folder}: {exc}") from exc


class SQLiteFile(SQLiteFolder):
    """One file of a folder, to be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._only = path

    def unexpired(self) -> Sequence[NewAnswer]:
        """All answers, to be kept elsewhere for as long as they would be here."""
        sql, values = all_answers()
        return [NewAnswer(Answer(*row[2:]), (row[1],), row[0]) for row in self._read(sql, *values)]

    def _files(self) -> list[Path]:
        return [self._only]


def migrate(folder: Path) -> int:
    """Bring all files of a folder to this version's schema; each in one transaction, none while it is written to.

    Returns:
        How many files were changed.

    Raises:
        StoreError: a file is in use, or newer than this version.
    """
    return sum(map(upgrade, sorted(folder.glob(FILES))))


def _destroyed(path: Path, tag: bytes) -> int:
    with closing(opened(path, "rw")) as connection:
        check_version(connection, path)
        connection.execute("PRAGMA secure_delete=ON")
        with transaction(connection):
            forget(connection, tag)
            shadow.close_verdicts(connection, tag)
            closed = connection.execute(
                "UPDATE decisions SET key = NULL WHERE tag = ? AND key IS NOT NULL", (tag,)
            ).rowcount
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return closed


def _text(stored: bytes) -> str:
    """What isn't UTF-8 was never written here: it must be shown as changed, and not end the reading of all others."""
    return stored.decode(errors="surrogateescape")
