"""An answer is kept with its decisions or not at all, given again until it expires, and erased with its applicants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.chain import Entry, link, sealed_entries
from records.committer import Committer
from records.errors import (
    AnsweredAlreadyError,
    AnswersSpooledError,
    RecordsUnavailableError,
    SealBrokenError,
    StoreError,
)
from records.idempotency import in_sqlite
from records.idempotency.answer import NewAnswer, asked, opened, sealed
from records.keyring import KeyRing
from records.record import DecisionRecord
from records.stores.base import Store
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.store import SQLiteFolder
from tests.records.samples import BASIS, a_chain, a_record, a_writer, kept

DAY = 86_400

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reopened(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """A store of the same place, each time another one."""
    stores: list[Store] = []
    database = request.getfixturevalue("database") if kind == "postgres" else ""

    def another() -> Store:
        stores.append(PostgreSQL(database) if kind == "postgres" else SQLiteFolder(tmp_path / "records"))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


def an_answer(
    ring: KeyRing, key: bytes = b"k-1", records: Sequence[DecisionRecord] = (), seconds: int = DAY, body: bytes = b"{}"
) -> NewAnswer:
    """What a caller was answered under a key."""
    return sealed(asked(ring, "core-banking", key, (b"/predict", b"", body)), b'{"answer":1}', records, ring, seconds)


def begun(store: Store, ring: KeyRing, number: int = 3) -> list[Entry]:
    """The first entries of a new writer, who is known to the store."""
    writer, entries = a_chain(number, ring)
    store.begin(writer, BASIS)
    return entries


class TestHashes:
    @given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
    def test_are_equal_for_the_same_request_only(self, ring: KeyRing, one: list[bytes], other: list[bytes]) -> None:
        """Wherever one part ends and the next begins."""
        assert (one == other) == (asked(ring, None, b"k", one) == asked(ring, None, b"k", other))

    def test_a_key_is_its_callers(self, ring: KeyRing) -> None:
        """Another one's under the same name is another; nobody's is one of its own."""
        assert 3 == len({asked(ring, caller, b"k", ()).key for caller in ("one", "two", None)})
        assert asked(ring, "one", b"k", ()).key != asked(ring, "on", b"ek", ()).key

    def test_is_no_reference(self, ring: KeyRing) -> None:
        """A key that reads like a reference has nothing of its tag."""
        assert ring.tag("ref-1") not in asked(ring, None, b"ref-1", (b"ref-1",))


class TestAnswer:
    def test_there_and_back(self, ring: KeyRing) -> None:
        new = an_answer(ring)
        assert b'{"answer":1}' == opened(new.answer, ring)
        assert b"answer" not in b"".join(new.answer)

    def test_is_its_keys(self, ring: KeyRing) -> None:
        """Moved to another key, it doesn't open."""
        with pytest.raises(SealBrokenError):
            opened(an_answer(ring).answer._replace(key=an_answer(ring, b"k-2").answer.key), ring)


class TestKeeping:
    def test_with_its_decisions(self, reopened: Open, ring: KeyRing) -> None:
        """As another worker reads it."""
        store = reopened()
        entries, new = begun(store, ring), an_answer(ring)
        store.append(entries, [new])
        assert {new.answer.key: new.answer} == reopened().answers([new.answer.key, b"another"])
        assert entries == kept(reopened())

    def test_without_any(self, reopened: Open, ring: KeyRing) -> None:
        """As of a batch each row of which is bad."""
        store = reopened()
        begun(store, ring)
        new = an_answer(ring)
        store.append([], [new])
        assert {new.answer.key: new.answer} == store.answers([new.answer.key])

    def test_twice_is_once(self, reopened: Open, ring: KeyRing) -> None:
        """A commit whose end isn't known is tried again with the same entries and answers."""
        store = reopened()
        entries, new = begun(store, ring), an_answer(ring)
        store.append(entries, [new])
        store.append(entries, [new])
        assert entries == kept(store)

    def test_another_answer_stays(self, reopened: Open, ring: KeyRing) -> None:
        """Of what came with the one that was too late nothing is kept, and the store goes on."""
        store = reopened()
        entries = begun(store, ring)
        first, second, beside = an_answer(ring), an_answer(ring), an_answer(ring, b"k-2")
        store.append(entries[:1], [first])
        with pytest.raises(AnsweredAlreadyError) as raised:
            store.append(entries[1:], [second, beside])
        assert {first.answer.key} == raised.value.keys
        assert {first.answer.key: first.answer} == store.answers([first.answer.key, beside.answer.key])
        assert entries[:1] == kept(store)
        store.append(entries[1:], [beside])
        assert entries == kept(store)

    def test_entries_that_do_not_follow_take_their_answer_along(self, reopened: Open, ring: KeyRing) -> None:
        """All or none."""
        store = reopened()
        entries, new = begun(store, ring), an_answer(ring)
        with pytest.raises(StoreError):
            store.append(entries[1:], [new])
        assert {} == reopened().answers([new.answer.key])

    def test_expires(self, reopened: Open, ring: KeyRing) -> None:
        """Then it isn't given any more, and another one may take its place."""
        store = reopened()
        entries = begun(store, ring)
        old, new = an_answer(ring, seconds=0), an_answer(ring, body=b"[]")
        store.append(entries[:1], [old])
        assert {} == store.answers([old.answer.key])
        store.append(entries[1:], [new])
        assert {new.answer.key: new.answer} == store.answers([old.answer.key])

    def test_expired_ones_are_deleted(self, reopened: Open, ring: KeyRing) -> None:
        """By the next one that is kept."""
        store = reopened()
        begun(store, ring)
        store.append([], [an_answer(ring, b"%d" % number, seconds=0) for number in range(20)])
        store.append([], [an_answer(ring)])
        assert isinstance(store, PostgreSQL | SQLiteFolder)
        assert 1 == len(list(store._read("SELECT key FROM answers")))  # what lies there, not what is told

    @pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
    @pytest.mark.usefixtures("kind")
    def test_the_clock_is_set_back(self, reopened: Open, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
        """What had expired is back, beside what has taken its place in another worker's file: that one is given."""
        ahead = [0.0]
        monkeypatch.setattr(in_sqlite, "now", lambda: int((time.time() + ahead[0]) * 1e6))
        one, other = reopened(), reopened()
        for store in (one, other):
            begun(store, ring)
        old, new = an_answer(ring, seconds=3600), an_answer(ring, seconds=3600)
        one.append([], [old])
        ahead[0] = 3700.0
        other.append([], [new])
        for step in (3700.0, 3650.0, 100.0):
            ahead[0] = step
            assert {new.answer.key: new.answer} == one.answers([new.answer.key])

    def test_erased_with_any_of_its_applicants(self, reopened: Open, ring: KeyRing) -> None:
        """The answer of a batch holds all of them; one without the applicant stays."""
        store = reopened()
        writer = a_writer()
        records = [a_record(reference=f"ref-{number}") for number in range(3)]
        store.begin(writer, BASIS)
        entries = link(sealed_entries(records, writer, BASIS, ring), writer.origin)
        both, other = an_answer(ring, b"both", records[:2]), an_answer(ring, b"other", records[2:])
        store.append(entries, [both, other])
        store.close()
        eraser = reopened()
        assert 1 == eraser.destroy_keys(ring.tag("ref-1"))
        assert [other.answer.key] == list(reopened().answers([both.answer.key, other.answer.key]))


class TestCommitter:
    def test_the_one_that_is_late_fails_alone(self, reopened: Open, ring: KeyRing) -> None:
        """Its neighbours in the same transaction are kept, and so is the chain."""
        committer = Committer(reopened(), BASIS, ring, Quiet())
        committer.start()
        neighbours = [a_record() for _ in range(4)]

        async def commits() -> list[Any]:
            await committer.commit([], an_answer(ring, b"taken"))
            return await asyncio.gather(
                committer.commit(neighbours[:1]),
                committer.commit([a_record()], an_answer(ring, b"taken")),
                committer.commit(neighbours[1:2], an_answer(ring, b"free")),
                committer.commit(neighbours[2:]),
                return_exceptions=True,
            )

        outcomes = asyncio.run(commits())
        committer.stop()
        assert [type(None), AnsweredAlreadyError, type(None), type(None)] == [type(each) for each in outcomes]
        assert [record.id for record in neighbours] == [entry.id for entry in kept(reopened())]

    def test_the_one_that_is_spooled_is_refused_alone(self, tmp_path: Path, ring: KeyRing) -> None:
        """Its decision is kept with its neighbours', who are answered."""

        class Spooled(SQLiteFolder):
            def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
                super().append(entries, answers)
                if answers:
                    raise AnswersSpooledError("later")

        committer = Committer(Spooled(tmp_path), BASIS, ring, Quiet())
        committer.start()
        records = [a_record() for _ in range(4)]

        async def commits() -> list[Any]:
            return await asyncio.gather(
                committer.commit(records[:1]),
                committer.commit(records[1:2], an_answer(ring)),
                committer.commit(records[2:3]),
                return_exceptions=True,
            ) + [await committer.commit(records[3:])]

        outcomes = asyncio.run(commits())
        committer.stop()
        assert [type(None), RecordsUnavailableError, type(None), type(None)] == [type(each) for each in outcomes]
        assert [record.id for record in records] == [entry.id for entry in kept(SQLiteFolder(tmp_path))]


class Quiet:
    """A committer's watch that expects no failure."""

    def committed(self, rows: int, seconds: float) -> None:
        assert rows >= 0
        assert seconds > 0

    def usable(self) -> None:
        """It is expected to be."""

    def failed(self, error: Exception) -> None:
        raise AssertionError(error)
