"""What a challenger said is kept once, found again and closed with its decision; the same for each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from records.errors import SealBrokenError, UnreadableRecordError
from records.events.event import Kind, News
from records.identifiers import new_id
from records.keyring import KeyRing, add_key, read_keyring
from records.shadow import in_postgresql, in_sqlite
from records.shadow.verdict import StoredVerdict, Verdict, opened
from records.stores.ledger import Ledger
from records.stores.postgresql.ledger import LedgerDatabase
from records.stores.sqlite.ledger import LedgerFolder
from records.upkeep.resealing import reseal
from tests.records.samples import BASIS, a_chain, texts

CHALLENGER = BASIS.model_copy(update={"model_version": "2.0.0"})
OTHER = BASIS.model_copy(update={"policy_version": "2.0.0"})


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """One as the service writes it, and one as a challenger's process does."""
    if request.param == "sqlite":
        opened: tuple[Ledger, Ledger] = LedgerFolder(tmp_path / "records"), LedgerFolder(tmp_path / "records")
    else:
        database = request.getfixturevalue("database")
        opened = LedgerDatabase(database), LedgerDatabase(database)
    yield opened
    for store in opened:
        store.close()


def sealed(verdict: Verdict, decision: bytes, time: int, reference: str, ring: KeyRing) -> StoredVerdict:
    """As a challenger of `CHALLENGER` would keep it."""
    content, key = ring.seal(to_json(verdict), decision + CHALLENGER.digest)
    return StoredVerdict(decision, time, verdict.outcome, ring.tag(reference), content, key)


VERDICT = Verdict(0.125, "APPROVE", "APPROVE", 580, ("rule",), (("INCOME", "income"),), ("age",))


def kept(stores: tuple[Ledger, Ledger], ring: KeyRing, number: int = 3) -> list[StoredVerdict]:
    """Decisions, and what was said of each."""
    writing, challenging = stores
    writer, entries = a_chain(number, ring)
    writing.begin(writer, BASIS)
    writing.append(entries)
    verdicts = [sealed(VERDICT, entry.id, entry.time, f"ref-{i}", ring) for i, entry in enumerate(entries)]
    challenging.keep_verdicts(CHALLENGER, verdicts)
    return verdicts


def test_there_and_back(stores: tuple[Ledger, Ledger], ring: KeyRing) -> None:
    """By basis, in the order of time, with their decisions; kept twice is kept once."""
    verdicts = kept(stores, ring)
    reading, challenging = stores
    challenging.keep_verdicts(CHALLENGER, verdicts)
    challenging.keep_verdicts(OTHER, [])
    assert [CHALLENGER] == list(reading.challengers())
    assert verdicts == list(reading.verdicts(CHALLENGER.digest))
    assert [] == list(reading.verdicts(OTHER.digest))
    assert {each.decision for each in verdicts} == {
        entry.id for entry in reading.entries_of([new_id(), *(each.decision for each in verdicts)])
    }
    assert {VERDICT} == {opened(each, CHALLENGER.digest, ring) for each in verdicts}


def test_of_a_time(stores: tuple[Ledger, Ledger], ring: KeyRing) -> None:
    """From then on, and before then."""
    first, second, third = kept(stores, ring)
    reading = stores[0]
    assert [second, third] == list(reading.verdicts(CHALLENGER.digest, second.time))
    assert [first] == list(reading.verdicts(CHALLENGER.digest, 0, second.time))


def test_read_in_steps(stores: tuple[Ledger, Ledger], ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left out or told twice between two steps, also of the same time."""
    verdicts = kept(stores, ring, 8)
    more = [each._replace(decision=new_id()) for each in verdicts]
    if isinstance(stores[0], LedgerFolder):  # whose decisions are in another file than what is said of them
        stores[0].keep_verdicts(CHALLENGER, more)
        verdicts += more
    monkeypatch.setattr(in_sqlite, "STEP", 3)
    monkeypatch.setattr(in_postgresql, "STEP", 3)
    found = list(stores[1].verdicts(CHALLENGER.digest))
    assert sorted(verdicts, key=lambda each: (each.time, each.decision)) == found


def test_closed_with_its_decision(stores: tuple[Ledger, Ledger], ring: KeyRing) -> None:
    """Erasing an applicant leaves that something was said, and what came of it."""
    verdicts = kept(stores, ring)
    for store in stores:
        store.close()
    assert 1 == stores[0].destroy_keys(ring.tag("ref-1"))
    found = list(stores[0].verdicts(CHALLENGER.digest))
    assert [verdicts[0], verdicts[1]._replace(key=None), verdicts[2]] == found
    assert opened(found[1], CHALLENGER.digest, ring) is None


def test_sealed_anew(stores: tuple[Ledger, Ledger], tmp_path: Path) -> None:
    """When keys turn, theirs do."""
    add_key(tmp_path / "keys.json")
    kept(stores, read_keyring(tmp_path / "keys.json"))
    for store in stores:
        store.close()
    add_key(tmp_path / "keys.json")
    ring = read_keyring(tmp_path / "keys.json")
    assert 6 == sum(step.resealed for step in reseal(stores[0], ring))
    found = list(stores[0].verdicts(CHALLENGER.digest))
    assert all(stored.key is not None and ring.is_current(stored.key) for stored in found)
    assert [VERDICT] * 3 == [opened(stored, CHALLENGER.digest, ring) for stored in found]


def test_gone_with_its_decision(stores: tuple[Ledger, Ledger], ring: KeyRing) -> None:
    """Of a purged decision nothing is left of what was said."""
    verdicts = kept(stores, ring)
    for store in stores:
        store.close()
    gone = verdicts[1].decision
    stores[0].purge([gone], lambda _: [News(1_790_000_000_000_000, Kind.PURGED, gone, None, b"")])
    assert [verdicts[0], verdicts[2]] == list(stores[0].verdicts(CHALLENGER.digest))


@pytest.mark.database
def test_not_of_an_erased_one(database: str, ring: KeyRing) -> None:
    """A challenger that is late keeps nothing of an applicant who was erased, nor of a decision that is not there."""
    stores = LedgerDatabase(database), LedgerDatabase(database)
    verdicts = kept(stores, ring)
    stores[0].destroy_keys(ring.tag("ref-1"))
    late = OTHER.digest
    stores[1].keep_verdicts(OTHER, [*verdicts, verdicts[0]._replace(decision=new_id())])
    assert [verdicts[0], verdicts[2]] == list(stores[0].verdicts(late))
    for store in stores:
        store.close()


def test_sync_is_full_again(tmp_path: Path, ring: KeyRing) -> None:
    """A decision that is kept over the same connection is durable, as ever."""
    store = LedgerFolder(tmp_path / "records")
    kept((store, store), ring)
    assert store._connection is not None
    assert (2,) == store._connection.execute("PRAGMA synchronous").fetchone()
    store.close()


verdicts_drawn = st.builds(
    Verdict,
    pd=st.floats(0, 1),
    outcome=texts,
    band=texts,
    credit_score=st.integers(0, 1000),
    rules=st.lists(texts, max_size=3).map(tuple),
    reasons=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    outside=st.lists(texts, max_size=3).map(tuple),
)


class TestSealed:
    @given(verdict=verdicts_drawn)
    def test_any(self, ring: KeyRing, verdict: Verdict) -> None:
        """What is opened is what was said, to the last bit."""
        assert verdict == opened(sealed(verdict, new_id(), 1, "ref", ring), CHALLENGER.digest, ring)

    def test_belongs_to_its_decision_and_challenger(self, ring: KeyRing) -> None:
        """Put beside another decision, or under another challenger, it doesn't open."""
        stored = sealed(VERDICT, new_id(), 1, "ref", ring)
        with pytest.raises(SealBrokenError):
            opened(stored._replace(decision=new_id()), CHALLENGER.digest, ring)
        with pytest.raises(SealBrokenError):
            opened(stored, OTHER.digest, ring)

    def test_something_else(self, ring: KeyRing) -> None:
        """What was sealed and is no verdict is told."""
        decision = new_id()
        content, key = ring.seal(b'["no verdict"]', decision + CHALLENGER.digest)
        with pytest.raises(UnreadableRecordError):
            opened(StoredVerdict(decision, 1, "APPROVE", None, content, key), CHALLENGER.digest, ring)
