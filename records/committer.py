"""Many requests' records in one transaction, durable before any of them is answered.

A thread takes whatever has come in while it was writing, and writes that at once. Under load a transaction holds
dozens of records, so that waiting for the disk is shared; a lone request waits for its own, and for nobody else.

The thread does little but wait for the store: whenever it wants to go on, a busy event loop lets it wait for up to
`sys.getswitchinterval()`. So records are sealed on the event loop, all that one batch was scored in at once.

While the store can't be used, it is asked again every second, with or without requests.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from records.basis import Basis
from records.chain import Entry, Head, Writer, link, sealed_entries
from records.errors import (
    AnsweredAlreadyError,
    AnswersSpooledError,
    RecordsUnavailableError,
    StoreUnavailableError,
    StoreVersionError,
)
from records.idempotency.answer import NewAnswer
from records.identifiers import new_id
from records.keyring import KeyRing
from records.record import DecisionRecord
from records.stores.base import Writing

MOST_ROWS = 2_000
"""Records in one transaction; what is left waits for the next one."""

GATHER_SECONDS = 0.001
"""Between two transactions while more than one request at a time comes: where the disk is fast, each would hold but a
few records, and cost as much as one of many. A request that comes alone never waits for it."""

SEALED_AT_ONCE = 100
"""Records of one request that are sealed before other requests get their turn on the event loop: a millisecond."""

RETRY_SECONDS = 1.0


async def one_turn() -> None:
    """Let the event loop do what else it has to."""
    await asyncio.sleep(0)


class Watch(Protocol):
    """Is told what happens."""

    def committed(self, rows: int, seconds: float) -> None:
        """A transaction is durable."""

    def usable(self) -> None:
        """The store can be written to, at start or again."""

    def failed(self, error: Exception) -> None:
        """One is not, or not known to be."""


class _Pending(NamedTuple):
    """A request.

    Attributes:
        records: of its decisions that come unsealed.
        entries: of those that are sealed; of all, once it is pending.
        answer: that they are in, where it is to be kept.
        loop: on which it waits.
        done: what it waits for.
    """

    records: Sequence[DecisionRecord]
    entries: list[Entry]
    answer: NewAnswer | None
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]

    @property
    def key(self) -> bytes | None:
        """Of its answer."""
        return None if self.answer is None else self.answer.answer.key


class Committer:
    """One writer of one store.

    Args:
        store: keeps the entries; used by this object's thread alone.
        basis: what the records are decided by.
        ring: seals them.
        watch: is told of each transaction, in the thread.
        files: what the basis names by digest, kept before the first record.
        give_way: lets others have their turns on the event loop.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # two of them have what most need
        self,
        store: Writing,
        basis: Basis,
        ring: KeyRing,
        watch: Watch,
        files: Mapping[str, bytes] | None = None,
        give_way: Callable[[], Awaitable[None]] = one_turn,
    ) -> None:
        self.writer = Writer(new_id(), time.time_ns() // 1000, basis.digest)
        self._store = store
        self._basis = basis
        self._ring = ring
        self._watch = watch
        self._files = files or {}
        self._give_way = give_way
        self._head: Head | None = None
        self._arrived: list[_Pending] = []
        self._pending: deque[_Pending] = deque()
        self._sealing = threading.Lock()  # taken before the other one
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._closed = False  # nothing more is taken
        self._ending = False  # nor comes from the event loop
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)

    def start(self) -> None:
        """Make the writer known, then write; a store that can't be reached, or isn't migrated yet, is waited for.

        Raises:
            StoreError: the store can't be used.
        """
        try:
            self._begin()
        except (StoreUnavailableError, StoreVersionError) as exc:
            self._watch.failed(exc)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests whose records are not being written yet."""
        return len(self._arrived) + len(self._pending)

    async def commit(self, records: Sequence[DecisionRecord], answer: NewAnswer | None = None) -> None:
        """Return when the records are durable, and with them the answer that they are in, where it is to be kept.

        Raises:
            RecordsUnavailableError: they may be or not.
            AnsweredAlreadyError: they are not, since another answer is kept for the same key.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        entries: list[Entry] = []
        while len(records) > SEALED_AT_ONCE:
            entries += self._sealed(records[:SEALED_AT_ONCE])
            records = records[SEALED_AT_ONCE:]
            await self._give_way()
        with self._lock:
            if self._closed:
                raise RecordsUnavailableError("the service is stopping")
            self._arrived.append(_Pending(records, entries, answer, loop, done))
            first = len(self._arrived) == 1
        if first:
            loop.call_soon(self._seal)  # behind all that the loop is about to bring, as what one batch was scored in
        await done

    def stop(self) -> None:
        """Write what is pending, then end."""
        with self._lock:
            self._closed = True
        self._seal()
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def _sealed(self, records: Sequence[DecisionRecord]) -> list[Entry]:
        return sealed_entries(records, self.writer, self._basis, self._ring)

    def _seal(self) -> None:
        """Hand all that has arrived over to the thread, sealed."""
        with self._sealing:
            with self._lock:
                arrived, self._arrived = self._arrived, []
            pending = self._all_sealed(arrived)
            with self._wake:
                self._pending += pending
                self._wake.notify()

    def _all_sealed(self, arrived: list[_Pending]) -> list[_Pending]:
        """Those requests whose records could be sealed; the others are told."""
        try:
            sealed = iter(self._sealed([record for each in arrived for record in each.records]))
        except Exception as exc:  # noqa: BLE001  # whatever it is, it is told
            if len(arrived) > 1:  # whoever is at fault, it must not reach the neighbours
                return [each for one in arrived for each in self._all_sealed([one])]
            _tell(arrived, exc)
            return []
        for each in arrived:
            each.entries.extend(islice(sealed, len(each.records)))
        return arrived

    def _run(self) -> None:
        while (batch := self._taken()) or not self._ending:
            error: Exception | None = None
            try:
                self._write(batch)
            except AnsweredAlreadyError as exc:
                _tell([pending for pending in batch if pending.key in exc.keys], exc)
                self._put_back([pending for pending in batch if pending.key not in exc.keys])
                continue
            except AnswersSpooledError as exc:
                self._head = None  # it has gone on, and the store knows how far
                _tell([pending for pending in batch if pending.answer], RecordsUnavailableError(str(exc)))
                _tell([pending for pending in batch if not pending.answer], None)
                continue
            except Exception as exc:  # noqa: BLE001  # whatever it is, it must not end the thread, nor be answered as kept
                self._head = None  # to be asked of the store again: what has failed may have been written
                self._watch.failed(exc)
                error = RecordsUnavailableError("the decision could not be recorded")
            _tell(batch, error)
            if len(batch) > 1:
                time.sleep(GATHER_SECONDS)

    def _taken(self) -> list[_Pending]:
        with self._wake:
            while not self._pending and not self._ending:
                if not self._wake.wait(RETRY_SECONDS if self._head is None else None) and self._head is None:
                    break
            batch: list[_Pending] = []
            rows = 0
            while self._pending and (not batch or rows + len(self._pending[0].entries) <= MOST_ROWS):
                batch.append(self._pending.popleft())
                rows += len(batch[-1].entries)
            return batch

    def _put_back(self, batch: Sequence[_Pending]) -> None:
        with self._wake:
            self._pending.extendleft(reversed(batch))

    def _write(self, batch: Sequence[_Pending]) -> None:
        started = time.perf_counter()
        head = self._head or self._begin()
        entries = link([entry for pending in batch for entry in pending.entries], head)
        answers = [pending.answer for pending in batch if pending.answer is not None]
        if entries or answers:
            self._store.append(entries, answers)
            self._watch.committed(len(entries), time.perf_counter() - started)
        if entries:
            self._head = Head(entries[-1].sequence, entries[-1].hash)

    def _begin(self) -> Head:
        self._store.archive(self._files)
        self._files = {}
        self._store.begin(self.writer, self._basis)
        self._head = self._store.head(self.writer)
        self._watch.usable()
        return self._head


def _tell(batch: Sequence[_Pending], error: Exception | None) -> None:
    waits: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = defaultdict(list)
    for pending in batch:
        waits[pending.loop].append(pending.done)
    for loop, waiting in waits.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting, error)
        except RuntimeError:  # the loop has ended, and with it whoever waited
            continue


def _resolve(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if not done.done():  # its request may have been given up
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
