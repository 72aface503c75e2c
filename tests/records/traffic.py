"""Callers that record one decision after another while something goes wrong, and what each of them was told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from records.chain import broken
from records.committer import Committer
from records.errors import RecordsUnavailableError
from records.keyring import KeyRing
from records.stores.base import Store, Writing
from tests.records.samples import BASIS, a_record
from tests.servers import wait_for

CALLERS = 8


@dataclass
class Traffic:
    """What has happened so far.

    Attributes:
        answered: ids of the decisions that were said to be kept.
        refused: ids of those of which nothing is known.
        rows: of each transaction.
        errors: why others failed.
    """

    answered: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def committed(self, rows: int, seconds: float) -> None:
        """As the committers' watch."""
        assert seconds > 0
        self.rows.append(rows)

    def usable(self) -> None:
        """The same."""

    def failed(self, error: Exception) -> None:
        """The same."""
        self.errors.append(error)

    def wait_for_answers(self, number: int = 3 * CALLERS) -> None:
        """Until there are more."""
        target = len(self.answered) + number
        wait_for(lambda: len(self.answered) >= target)

    def wait_for_failures(self, number: int = 1) -> None:
        """Until more transactions have failed."""
        target = len(self.errors) + number
        wait_for(lambda: len(self.errors) >= target)

    async def call(self, committer: Committer) -> None:
        """Record a decision, and remember what was said of it."""
        record = a_record(reference="ref-1")
        try:
            await committer.commit([record])
        except RecordsUnavailableError:
            self.refused.append(record.id)
            await asyncio.sleep(0.01)
        else:
            self.answered.append(record.id)


@contextmanager
def committing(stores: Sequence[Writing], ring: KeyRing) -> Iterator[tuple[list[Committer], Traffic]]:
    """A committer for each store."""
    traffic = Traffic()
    committers = [Committer(store, BASIS, ring, traffic) for store in stores]
    for committer in committers:
        committer.start()
    try:
        yield committers, traffic
    finally:
        for committer in committers:
            committer.stop()


def while_recording(stores: Sequence[Writing], ring: KeyRing, fault: Callable[[Traffic], None]) -> Traffic:
    """What callers were told before, during and after a fault; they are answered again behind it, without help."""
    with committing(stores, ring) as (committers, traffic):
        ended = asyncio.Event()

        async def caller(committer: Committer) -> None:
            while not ended.is_set():
                await traffic.call(committer)

        async def all_of_it() -> None:
            callers = [asyncio.create_task(caller(committer)) for committer in committers for _ in range(CALLERS)]
            try:
                await asyncio.to_thread(traffic.wait_for_answers)
                await asyncio.to_thread(fault, traffic)
                await asyncio.to_thread(traffic.wait_for_answers)
            finally:
                ended.set()
                await asyncio.gather(*callers)

        asyncio.run(all_of_it())
    return traffic


def assert_nothing_lost_or_doubled(traffic: Traffic, store: Store) -> None:
    """What was answered is kept once, what was refused at most once, and each writer's chain is whole."""
    kept: Counter[bytes] = Counter()
    with closing(store):
        for writer in store.writers():
            chain = list(store.entries(writer))
            assert [] == list(broken(chain, writer))
            assert list(range(1, len(chain) + 1)) == [entry.sequence for entry in chain]
            kept.update(entry.id for entry in chain)
    assert {1} == set(kept.values())
    assert set(traffic.answered) <= set(kept) <= set(traffic.answered) | set(traffic.refused)
    print(f"answered {len(traffic.answered)}, refused {len(traffic.refused)}, kept {len(kept)}")
