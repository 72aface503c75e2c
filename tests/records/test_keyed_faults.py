"""Requests with a key while something goes wrong: what was answered is kept with its decision, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from records.chain import Entry
from records.committer import Committer
from records.errors import (
    AnsweredAlreadyError,
    KeyInWorkError,
    OtherRequestError,
    RecordsUnavailableError,
)
from records.idempotency.claimer import Claimer
from records.idempotency.folder import FolderClaims
from records.keyring import KeyRing
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.store import SQLiteFolder
from serving.once import Once
from serving.settings import Settings
from serving.telemetry.exchange import Exchange
from serving.telemetry.telemetry import Telemetry
from tests.postgres import Postgres
from tests.records.failing import Failing
from tests.records.proxy import proxy
from tests.records.samples import BASIS, a_chain, a_record, kept
from tests.records.test_kept_answers import an_answer
from tests.servers import HANG_SECONDS


@pytest.mark.database
class TestTheWay:
    @pytest.mark.parametrize("spares", range(10))
    def test_cut_at_each_answer(self, cluster: Postgres, database: str, ring: KeyRing, spares: int) -> None:
        """Of all that a transaction is made of, the commit's too; asked again, it is kept once."""
        writer, entries = a_chain(4, ring)
        first, second = an_answer(ring, b"first"), an_answer(ring, b"second")
        with proxy(cluster.port) as way:
            store = PostgreSQL(database.replace(str(cluster.port), str(way.port)))
            store.begin(writer, BASIS)
            way.spares, way.cuts = spares, 1
            store.append(entries[:2], [first])
            store.append(entries[2:], [second])
            assert 1 == way.lost
            store.close()
        reader = PostgreSQL(database)
        assert entries == kept(reader)
        assert {new.answer.key: new.answer for new in (first, second)} == reader.answers(
            [first.answer.key, second.answer.key]
        )
        reader.close()

    def test_another_worker_was_faster(self, database: str, ring: KeyRing) -> None:
        """Its transaction is waited for, and then one of the two is kept with its decision."""
        stores = [PostgreSQL(database) for _ in range(2)]
        chains = [a_chain(1, ring) for _ in stores]
        for store, (writer, _) in zip(stores, chains, strict=True):
            store.begin(writer, BASIS)
        start, outcomes = threading.Barrier(len(stores)), []

        def append(store: PostgreSQL, entries: Sequence[Entry]) -> None:
            start.wait(HANG_SECONDS)
            try:
                store.append(entries, [an_answer(ring)])
                outcomes.append("kept")
            except AnsweredAlreadyError:
                outcomes.append("late")

        threads = [
            threading.Thread(target=append, args=(store, entries))
            for store, (_, entries) in zip(stores, chains, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ["kept", "late"] == sorted(outcomes)
        assert 1 == len(kept(stores[0]))
        for store in stores:
            store.close()


class Quiet:
    """A committer's watch that doesn't mind."""

    def committed(self, rows: int, seconds: float) -> None:
        pass

    def usable(self) -> None:
        """It is expected to be."""

    def failed(self, error: Exception) -> None:
        pass


class Service:
    """What answers requests with a key, without a server around it."""

    def __init__(self, folder: Path, ring: KeyRing, plan: Sequence[str] = ()) -> None:
        self.store = Failing(folder, plan)
        self.committer = Committer(self.store, BASIS, ring, Quiet())
        self.committer.start()
        self.once = Once(Settings(), Telemetry(CollectorRegistry()))
        self.once.start(Claimer(FolderClaims(folder)), ring)

    async def ask(self, key: bytes, body: bytes = b"{}") -> tuple[bytes, bool]:
        """The answer, and whether it was given before."""
        exchange = Exchange("r-1", "POST", "/predict")
        try:
            if (content := await self.once.answered(exchange, key, (body,))) is not None:
                return content, True
            record = a_record()
            await self.once.commit(self.committer, exchange, [record], record.id)
            return record.id, False
        finally:
            if exchange.claim is not None:
                exchange.claim.over()

    def stop(self) -> None:
        """As at the end of a worker."""
        self.committer.stop()
        self.once.stop()


@pytest.fixture
def services(tmp_path: Path, ring: KeyRing) -> Iterator[list[Service]]:
    """Two workers of one folder."""
    made = [Service(tmp_path, ring) for _ in range(2)]
    yield made
    for service in made:
        service.store.hold.set()
        service.stop()


class TestOnce:
    def test_a_request_that_was_given_up_while_it_was_written(self, services: list[Service], tmp_path: Path) -> None:
        """Its key is held until that is over, or another worker would decide beside it; then its answer is given."""
        one, other = services
        one.store.hold.clear()

        async def requests() -> tuple[bytes, bool]:
            given_up = asyncio.create_task(one.ask(b"k"))
            await asyncio.to_thread(one.store.entered.acquire)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            for service in services:
                with pytest.raises(KeyInWorkError):
                    await service.ask(b"k")
            one.store.hold.set()
            while True:
                try:
                    return await other.ask(b"k")
                except KeyInWorkError:
                    await asyncio.sleep(0.01)

        content, replayed = asyncio.run(requests())
        assert replayed
        assert [content] == [entry.id for entry in kept(SQLiteFolder(tmp_path))]

    def test_a_request_that_was_given_up_before(self, services: list[Service], tmp_path: Path) -> None:
        """What goes on in spite of it is not kept: others may have the key by then."""
        one, other = services

        async def requests() -> None:
            exchange = Exchange("r-1", "POST", "/predict")
            assert await one.once.answered(exchange, b"k", (b"{}",)) is None
            assert exchange.claim is not None
            exchange.claim.over()
            with pytest.raises(RecordsUnavailableError):
                await one.once.commit(one.committer, exchange, [a_record()], b"late")
            while True:
                try:
                    assert not (await other.ask(b"k"))[1]
                    break
                except KeyInWorkError:
                    await asyncio.sleep(0.01)

        asyncio.run(requests())
        assert 1 == len(kept(SQLiteFolder(tmp_path)))

    def test_another_request(self, services: list[Service]) -> None:
        async def requests() -> None:
            await services[0].ask(b"k")
            with pytest.raises(OtherRequestError):
                await services[1].ask(b"k", b"[]")

        asyncio.run(requests())

    @settings(max_examples=20, deadline=None)
    @given(plan=st.lists(st.sampled_from(["well", "before", "behind"]), max_size=10))
    def test_asked_until_it_is_answered(
        self, tmp_path_factory: pytest.TempPathFactory, ring: KeyRing, plan: list[str]
    ) -> None:
        """Whatever fails, written or not: each key has one decision, the one that is told, again and again."""
        folder = tmp_path_factory.mktemp("records")
        service = Service(folder, ring, plan)

        async def told(key: bytes) -> bytes:
            while True:
                try:
                    return (await service.ask(key))[0]
                except RecordsUnavailableError:
                    await asyncio.sleep(0)

        async def requests() -> list[tuple[bytes, bytes]]:
            return [(await told(key), await told(key)) for key in (b"%d" % number for number in range(len(plan) + 1))]

        answers = asyncio.run(requests())
        service.stop()
        assert all(first == again for first, again in answers)
        with closing(SQLiteFolder(folder)) as store:
            assert sorted(first for first, _ in answers) == sorted(entry.id for entry in kept(store))
