"""A store that may be away for a while: meanwhile entries go to a spool, a folder of this machine.

The spool is a SQLite folder, as durable as any other, and what lies in it is what the store will hold: sealed, each
entry in its place of its writer's chain. A thread carries it over, in order, as soon as the store answers again; an
entry that is in both is kept once. What a killed worker has left is carried over by whoever finds it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Protocol

from records.basis import Basis
from records.chain import Entry, Head, Writer
from records.errors import AnsweredAlreadyError, AnswersSpooledError, RecordsError, StoreError, StoreUnavailableError
from records.idempotency.answer import NewAnswer
from records.stores.base import Writing
from records.stores.sqlite.files import alone, delete, upgrade
from records.stores.sqlite.store import ARCHIVE, FILES, SQLiteFile, SQLiteFolder

RETRY_SECONDS = 1.0
_STEP = 500


class SpoolWatch(Protocol):
    """Is told what happens."""

    def spooling(self, error: Exception) -> None:
        """The store can't be used; from now on entries go to the spool."""

    def carried_over(self) -> None:
        """What this worker has spooled is in the store, and new entries go there."""

    def not_carried_over(self, error: Exception) -> None:
        """What is in the spool can't be brought to the store, though that answers."""


class Spooling:
    """Writes to a store, or to its spool.

    One writer only.

    Args:
        store: where entries belong.
        carrier: the same store; used by a thread of this object's own.
        folder: of the spool.
        most_bytes: of this worker's file in it.
        watch: is told what happens, in either thread.
    """

    def __init__(self, store: Writing, carrier: Writing, folder: Path, most_bytes: int, watch: SpoolWatch) -> None:
        self._store = store
        self._carrier = carrier
        self._folder = folder
        self._spool = SQLiteFolder(folder, most_bytes, parts=True)
        self._most_bytes = most_bytes
        self._watch = watch
        self._known = False
        self._spooling = False
        self._writer: tuple[Writer, Basis] | None = None
        self._head: Head | None = None
        for path in folder.glob(FILES):  # of the version before
            with suppress(StoreError):  # another worker's
                upgrade(path)
        self._turns = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="spool", daemon=True)
        self._thread.start()

    def archive(self, files: Mapping[str, bytes]) -> None:
        """Keep files in the store, or for it."""
        try:
            self._store.archive(files)
        except StoreUnavailableError:
            self._spool.archive(files)

    def begin(self, writer: Writer, basis: Basis) -> None:
        """Make a writer known."""
        with self._turns:
            if self._writer is None:
                self._head = writer.origin
            self._writer = writer, basis
            if self._spooling:
                self._spool.begin(writer, basis)
                return
            try:
                self._make_known()
            except StoreUnavailableError as exc:
                self._turn_to_spool(exc)

    def head(self, writer: Writer) -> Head:
        """Where the writer's chain has come to, in store and spool."""
        with self._turns:
            if self._head is None:
                self._head = self._looked_up(writer)
            return self._head

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        """Keep entries in the store; where that fails, in the spool: they may be in both then, which is no harm.

        Raises:
            AnsweredAlreadyError: another answer is kept for a key, so that nothing is.
            AnswersSpooledError: all is in the spool; the answers must not be given yet, since only the store can tell
                other workers of them.
            StoreError: neither takes them.
        """
        with self._turns:
            self._head = None  # not known, should this fail
            in_store = self._kept(entries, answers)
            if not in_store:
                self._spool.append(entries, answers)
            if entries:
                self._head = Head(entries[-1].sequence, entries[-1].hash)
        if answers and not in_store:
            raise AnswersSpooledError("the answer is in the spool, and will be given when the store has it")

    def rows(self) -> int:
        """Entries of all workers that are in the spool."""
        return self._spool.rows()

    def fill(self) -> float:
        """How full this worker's file is, from 0 to 1."""
        path = self._spool.path
        with suppress(FileNotFoundError):  # it may be carried over and deleted just now
            return 0.0 if path is None else path.stat().st_size / self._most_bytes
        return 0.0

    def close(self) -> None:
        """Let go of all; what is spooled is carried over after the next start."""
        self._ended.set()
        self._thread.join()
        for each in (self._store, self._carrier, self._spool):
            each.close()

    def _kept(self, entries: Sequence[Entry], answers: Sequence[NewAnswer]) -> bool:
        if self._spooling:
            return False
        try:
            self._make_known()
            self._store.append(entries, answers)
        except StoreUnavailableError as exc:
            self._turn_to_spool(exc)
            return False
        return True

    def _looked_up(self, writer: Writer) -> Head:
        if self._spooling:
            head = self._spool.head(writer)
            # Where there is none in the spool, only the store can tell whether it has kept what it was sent last.
            if head != writer.origin or not self._known:
                return head
        return self._store.head(writer)

    def _make_known(self) -> None:
        if not self._known:
            assert self._writer is not None
            self._store.begin(*self._writer)
            self._known = True

    def _turn_to_spool(self, error: Exception) -> None:
        assert self._writer is not None
        self._spool.begin(*self._writer)
        self._spooling = True
        self._watch.spooling(error)

    def _carry(self) -> None:
        while not self._ended.wait(RETRY_SECONDS):
            try:
                self._carry_over()
            except StoreUnavailableError:
                continue
            except (RecordsError, OSError) as exc:
                self._watch.not_carried_over(exc)

    def _carry_over(self) -> None:
        for path in sorted((self._folder / ARCHIVE).glob("[0-9a-f]*")):
            with suppress(FileNotFoundError):  # another worker was faster
                self._carrier.archive({path.name: path.read_bytes()})
                path.unlink()
        for path in sorted(self._folder.glob(FILES)):
            if path == self._spool.path:
                self._carry_file(path)  # most of it, while more is added
                with self._turns:
                    self._carry_file(path)
                    self._spool.discard()
                    self._spooling = False
                self._watch.carried_over()
                continue
            with ExitStack() as stack:
                try:
                    stack.enter_context(alone(path))
                except StoreError:
                    continue  # another worker's
                self._carry_file(path)
                delete(path)

    def _carry_file(self, path: Path) -> None:
        source = SQLiteFile(path)
        for writer in source.writers():
            basis = source.basis(writer.basis)
            assert basis is not None
            self._carrier.begin(writer, basis)
            entries = source.entries(writer, self._carrier.head(writer).sequence)
            while step := list(islice(entries, _STEP)):
                self._carrier.append(step)
        for answer in source.unexpired():
            with suppress(AnsweredAlreadyError):  # to who asked again before this one was there
                self._carrier.append([], [answer])
