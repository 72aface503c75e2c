"""Nothing is answered before it is durable, nothing is lost, and nothing is doubled, whatever the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.committer import MOST_ROWS, SEALED_AT_ONCE, Committer
from records.errors import RecordsUnavailableError
from records.keyring import KeyRing
from records.stores.sqlite.store import SQLiteFolder
from tests.records.failing import Failing
from tests.records.samples import BASIS, a_record, kept
from tests.servers import wait_for

FILE = b"what is decided by"
DIGEST = sha256(FILE).hexdigest()


class Watched:
    """Remembers the sizes of transactions, how often the store became usable, and what failed."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.uses = 0
        self.errors: list[Exception] = []

    def committed(self, rows: int, seconds: float) -> None:
        assert seconds > 0
        self.rows.append(rows)

    def usable(self) -> None:
        self.uses += 1

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


Start = Callable[[Failing], tuple[Committer, Watched]]


@pytest.fixture
def start(ring: KeyRing) -> Iterator[Start]:
    committers: list[Committer] = []

    def started(store: Failing) -> tuple[Committer, Watched]:
        watched = Watched()
        committers.append(Committer(store, BASIS, ring, watched))
        committers[-1].start()
        return committers[-1], watched

    yield started
    for committer in committers:
        committer.stop()


class TestCommit:
    def test_is_durable_when_it_returns(self, tmp_path: Path, start: Start) -> None:
        """Another process reads it at that moment."""
        committer, _ = start(Failing(tmp_path))

        async def commits() -> None:
            for number in range(1, 4):
                record = a_record()
                await committer.commit([record])
                assert number == len(kept(SQLiteFolder(tmp_path)))
                assert record.id == kept(SQLiteFolder(tmp_path))[-1].id

        asyncio.run(commits())

    def test_does_not_return_before(self, tmp_path: Path, start: Start) -> None:
        """While the disk doesn't answer, nor does the service."""
        store = Failing(tmp_path)
        committer, _ = start(store)
        store.hold.clear()

        async def commits() -> None:
            task = asyncio.create_task(committer.commit([a_record()]))
            await asyncio.to_thread(store.entered.acquire)
            await asyncio.sleep(0.05)
            assert not task.done()
            store.hold.set()
            await task

        asyncio.run(commits())

    def test_what_came_meanwhile_is_one_transaction(self, tmp_path: Path, start: Start) -> None:
        """All that wait share one wait for the disk."""
        store = Failing(tmp_path)
        committer, watched = start(store)
        store.hold.clear()

        async def commits() -> None:
            first = asyncio.create_task(committer.commit([a_record()]))
            await asyncio.to_thread(store.entered.acquire)
            others = [asyncio.create_task(committer.commit([a_record(), a_record()])) for _ in range(20)]
            await asyncio.sleep(0)
            store.hold.set()
            await asyncio.gather(first, *others)

        asyncio.run(commits())
        assert [1, 40] == watched.rows

    def test_a_transaction_has_its_limit(self, tmp_path: Path, start: Start) -> None:
        """A request's records are never parted; one of many waits for nobody, and keeps nobody waiting."""
        store = Failing(tmp_path)
        committer, watched = start(store)
        store.hold.clear()
        record = a_record()

        async def commits() -> None:
            first = asyncio.create_task(committer.commit([record]))
            await asyncio.to_thread(store.entered.acquire)
            sizes = [MOST_ROWS - 1, 2, 3]
            others = [asyncio.create_task(committer.commit([a_record() for _ in range(size)])) for size in sizes]
            await asyncio.sleep(0)
            store.hold.set()
            await asyncio.gather(first, *others)

        asyncio.run(commits())
        assert [1, 5, MOST_ROWS - 1] == watched.rows

    def test_a_request_that_was_given_up_is_kept(self, tmp_path: Path, start: Start) -> None:
        """It was decided, though nobody waits for it any more; its neighbours are answered."""
        store = Failing(tmp_path)
        committer, _ = start(store)
        store.hold.clear()

        async def commits() -> None:
            given_up = asyncio.create_task(committer.commit([a_record()]))
            await asyncio.to_thread(store.entered.acquire)
            neighbour = asyncio.create_task(committer.commit([a_record()]))
            await asyncio.sleep(0)
            given_up.cancel()
            store.hold.set()
            await neighbour

        asyncio.run(commits())
        assert 2 == len(kept(SQLiteFolder(tmp_path)))

    def test_stopping_writes_what_waits(self, tmp_path: Path, start: Start) -> None:
        """And takes nothing more."""
        store = Failing(tmp_path)
        committer, _ = start(store)
        store.hold.clear()

        async def commits() -> None:
            tasks = [asyncio.create_task(committer.commit([a_record()])) for _ in range(5)]
            await asyncio.to_thread(store.entered.acquire)
            stopping = asyncio.create_task(asyncio.to_thread(committer.stop))
            store.hold.set()
            await stopping
            await asyncio.gather(*tasks)
            with pytest.raises(RecordsUnavailableError):
                await committer.commit([a_record()])

        asyncio.run(commits())
        assert 5 == len(kept(SQLiteFolder(tmp_path)))

    def test_stopping_writes_what_has_just_come(self, tmp_path: Path, start: Start) -> None:
        """Though nothing of it is sealed yet."""
        committer, watched = start(Failing(tmp_path))

        async def commits() -> None:
            tasks = [asyncio.create_task(committer.commit([a_record()])) for _ in range(5)]
            await asyncio.sleep(0)
            committer.stop()
            await asyncio.gather(*tasks)

        asyncio.run(commits())
        assert [5] == watched.rows
        assert 5 == len(kept(SQLiteFolder(tmp_path)))

    def test_many_records_of_one_request(self, tmp_path: Path, start: Start) -> None:
        """They are sealed in parts, and kept in one transaction in their order."""
        committer, watched = start(Failing(tmp_path))
        records = [a_record() for _ in range(2 * SEALED_AT_ONCE + 1)]
        asyncio.run(committer.commit(records))
        assert [len(records)] == watched.rows
        assert [record.id for record in records] == [entry.id for entry in kept(SQLiteFolder(tmp_path))]


class TestFailure:
    def test_what_can_not_be_sealed_fails_alone(self, tmp_path: Path, ring: KeyRing) -> None:
        """Its neighbours, sealed with it, are kept."""
        watched = Watched()
        committer = Committer(Failing(tmp_path), BASIS, ring, watched)
        committer.start()
        sound, broken = [a_record(), a_record()], a_record(received="\ud800")

        async def commits() -> list[BaseException | None]:
            each = (sound[0], broken, sound[1])
            return await asyncio.gather(*(committer.commit([one]) for one in each), return_exceptions=True)

        first, wrong, second = asyncio.run(commits())
        committer.stop()
        assert first is second is None
        assert isinstance(wrong, ValueError)
        assert [record.id for record in sound] == [entry.id for entry in kept(SQLiteFolder(tmp_path))]

    @settings(max_examples=20)
    @given(plan=st.lists(st.sampled_from(["well", "before", "behind"]), max_size=12))
    def test_nothing_is_lost_and_nothing_doubled(
        self, tmp_path_factory: pytest.TempPathFactory, ring: KeyRing, plan: list[str]
    ) -> None:
        """What was answered is kept once; what was refused at most once; and the chain is whole throughout."""
        folder = tmp_path_factory.mktemp("records")
        watched = Watched()
        committer = Committer(Failing(folder, plan), BASIS, ring, watched)
        committer.start()
        answered, refused = set(), set()

        async def commits() -> None:
            for _ in range(len(plan) + 1):
                record = a_record()
                try:
                    await committer.commit([record])
                except RecordsUnavailableError:
                    refused.add(record.id)
                else:
                    answered.add(record.id)

        asyncio.run(commits())
        committer.stop()
        found = [entry.id for entry in kept(SQLiteFolder(folder))]
        assert len(found) == len(set(found))
        assert answered <= set(found) <= answered | refused
        assert len(found) == len(answered) + plan.count("behind")
        assert len(refused) == len(watched.errors) == len(plan) - plan.count("well")

    def test_a_store_that_can_not_be_reached_at_start(
        self, tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is asked again, without anybody's asking for anything, and then has what was to be archived too."""
        monkeypatch.setattr("records.committer.RETRY_SECONDS", 0.01)
        folder = tmp_path / "records"
        folder.touch()
        watched = Watched()
        committer = Committer(Failing(folder), BASIS, ring, watched, {DIGEST: FILE})
        committer.start()
        wait_for(lambda: len(watched.errors) > 2)
        assert str(folder) in str(watched.errors[0])
        assert 0 == watched.uses

        folder.unlink()
        wait_for(lambda: watched.uses)
        record = a_record()
        asyncio.run(committer.commit([record]))
        committer.stop()
        assert [record.id] == [entry.id for entry in kept(SQLiteFolder(folder))]
        assert FILE == SQLiteFolder(folder).archived(DIGEST)

    def test_it_recovers_while_nobody_asks(
        self, tmp_path: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that a service that isn't ready, and gets no requests, becomes ready again."""
        monkeypatch.setattr("records.committer.RETRY_SECONDS", 0.01)
        watched = Watched()
        committer = Committer(Failing(tmp_path, ["before"]), BASIS, ring, watched)
        committer.start()
        with pytest.raises(RecordsUnavailableError):
            asyncio.run(committer.commit([a_record()]))
        wait_for(lambda: watched.uses == 2)
        committer.stop()

    def test_two_workers(self, tmp_path: Path, start: Start) -> None:
        """At once, each with its own file and chain."""
        committers = [start(Failing(tmp_path))[0] for _ in range(3)]

        async def commits() -> None:
            await asyncio.gather(*(each.commit([a_record()]) for each in committers for _ in range(20)))

        asyncio.run(commits())
        assert 60 == len(kept(SQLiteFolder(tmp_path)))
        assert 3 == len(list(tmp_path.glob("*.sqlite")))
