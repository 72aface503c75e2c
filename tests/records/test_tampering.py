"""Whatever is done to what a store holds is found, and the entry named; by checkpoints also where all hashes fit."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.errors import ForeignKeyViolation

from records.chain import Entry, Writer
from records.checkpoints.checkpoint import Witnessed
from records.checkpoints.making import next_checkpoint
from records.keyring import KeyRing
from records.stores.ledger import Ledger
from records.stores.postgresql.ledger import LedgerDatabase
from records.stores.postgresql.schema import migrate as migrate_database
from records.stores.sqlite.ledger import LedgerFolder
from records.stores.sqlite.store import SQLiteFolder
from records.verifying.chains import Verified, gone, verify
from tests.records.samples import BASIS, a_chain
from tests.records.tampering import EDITS, Chains, Raw, flipped, linked_anew

FIRST, SECOND = 9, 5
"""Entries of the two writers, the last two of the first one later than all checkpoints."""

COVERED = 7
Named = set[tuple[bytes, int]]


@dataclass(repr=False)
class Kept:
    """A store of two writers, which two checkpoints have seen.

    Attributes:
        store: itself.
        raw: its tables.
        writers: both.
        numbers: theirs in the tables.
        chains: as they were written, one entry of each erased.
        witnessed: the checkpoints.
    """

    store: Ledger
    raw: Raw
    writers: list[Writer]
    numbers: dict[bytes, int]
    chains: Chains
    witnessed: Witnessed

    def tampered(self, chains: Chains, writers: list[Writer] | None = None) -> list[str]:
        """What is found when the tables hold this."""
        self.raw.put_back(self.writers if writers is None else writers, self.numbers, chains)
        return self.faults()

    def faults(self) -> list[str]:
        """What is wrong with the store as it is."""
        found: list[Verified] = list(verify(self.store, self.witnessed))
        return [fault for each in found for fault in each.faults] + gone(found, self.witnessed)


def named(faults: list[str]) -> Named:
    """The entries that faults speak of."""
    told: Named = set()
    for fault in faults:
        found = re.search(r"^writer (\S+), started \S+: entr(?:y|ies) (\d+)(?: to (\d+))?: ", fault)
        if found:
            first, last = int(found[2]), int(found[3] or found[2])
            told |= {(bytes.fromhex(found[1].replace("-", "")), sequence) for sequence in range(first, last + 1)}
    return told


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ring: KeyRing) -> Iterator[Kept]:
    store: Ledger
    if request.param == "postgres":
        cluster = request.getfixturevalue("cluster")
        where = cluster.url(cluster.new_schema())
        migrate_database(where)
        store, raw = LedgerDatabase(where), Raw(where)
    else:
        folder = tmp_path_factory.mktemp("kept")
        store, raw = LedgerFolder(folder), Raw(folder / "0.sqlite")
    one, of_one = a_chain(FIRST, ring)
    two, of_two = a_chain(SECOND, ring)
    witnessed = Witnessed()
    store.begin(one, BASIS)
    store.append(of_one[:4])
    witnessed.add(next_checkpoint(store, witnessed).statement)
    store.append(of_one[4:COVERED])
    store.close()
    store.begin(two, BASIS)
    store.append(of_two)
    witnessed.add(next_checkpoint(store, witnessed).statement)
    store.close()
    store.begin(one, BASIS)
    store.append(of_one[COVERED:])
    store.close()
    store.destroy_keys(ring.tag("ref-2"))  # one of each writer
    chains = {writer.id: list(store.entries(writer)) for writer in (one, two)}
    yield Kept(store, raw, [one, two], raw.writers(), chains, witnessed)
    store.close()


def put(kept: Kept, writer: Writer, entries: list[Entry]) -> Chains:
    """The chains with another one for a writer."""
    return {**kept.chains, writer.id: entries}


edits = st.sampled_from(sorted(EDITS))
of_first = st.integers(0, COVERED - 1)
before_another = st.integers(0, COVERED - 2)
"""Behind the last one that was seen, who takes its place can't be told from what it was changed into."""


def test_whole(kept: Kept) -> None:
    """Nothing is wrong, erased entries among them; nor when nothing but keys is taken away."""
    assert [] == kept.tampered(kept.chains)
    assert 2 == sum(entry.key is None for entries in kept.chains.values() for entry in entries)
    erased = {writer: [entry._replace(key=None) for entry in entries] for writer, entries in kept.chains.items()}
    assert [] == kept.tampered(erased)


class TestEdited:
    @given(place=st.integers(0, FIRST - 1), edit=edits)
    @settings(max_examples=25)
    def test_one(self, kept: Kept, place: int, edit: str) -> None:
        """Whichever, also one that no checkpoint has seen; it alone is named, with the decision that stands there."""
        writer = kept.writers[0]
        entries = list(kept.chains[writer.id])
        entries[place] = EDITS[edit](entries[place])
        faults = kept.tampered(put(kept, writer, entries))
        assert {(writer.id, place + 1)} == named(faults)
        assert 1 == len(faults)

    @given(places=st.sets(of_first, min_size=1, max_size=3), edit=edits)
    @settings(max_examples=25)
    def test_and_chained_again(self, kept: Kept, places: set[int], edit: str) -> None:
        """The chain is whole then, and tells nothing; the entries are named all the same, and no other."""
        writer = kept.writers[0]
        entries = list(kept.chains[writer.id])
        for place in places:
            entries[place] = EDITS[edit](entries[place])
        faults = kept.tampered(put(kept, writer, linked_anew(writer, entries)))
        assert {(writer.id, place + 1) for place in places} == named(faults)
        assert all("changed since checkpoint" in fault for fault in faults)
        assert not [fault for each in verify(kept.store) for fault in each.faults]

    @pytest.mark.parametrize("change", [{"started": 1_790_000_000_000_001}, {"basis": bytes(32)}])
    def test_a_writer(self, kept: Kept, change: dict[str, object]) -> None:
        """When it started, and what it decided by."""
        one, two = kept.writers
        changed = replace(one, **change)  # type: ignore[arg-type]  # by name
        if "basis" in change and not isinstance(kept.raw.where, Path):
            with pytest.raises(ForeignKeyViolation):
                kept.tampered(kept.chains, [changed, two])
            return
        faults = kept.tampered(kept.chains, [changed, two])
        assert (one.id, 1) in named(faults)


class TestDeleted:
    @given(first=of_first, number=st.integers(1, 3))
    @settings(max_examples=20)
    def test_within(self, kept: Kept, first: int, number: int) -> None:
        writer = kept.writers[0]
        entries = list(kept.chains[writer.id])
        last = min(first + number, COVERED)
        faults = kept.tampered(put(kept, writer, entries[:first] + entries[last:]))
        assert {(writer.id, place + 1) for place in range(first, last)} == named(faults)
        assert all("missing" in fault for fault in faults)

    @given(place=before_another)
    @settings(max_examples=15)
    def test_and_chained_again(self, kept: Kept, place: int) -> None:
        """Those behind it have moved down; only it is missing."""
        writer = kept.writers[0]
        entries = list(kept.chains[writer.id])
        del entries[place]
        faults = kept.tampered(put(kept, writer, linked_anew(writer, entries)))
        assert {(writer.id, place + 1)} == named([fault for fault in faults if "missing" in fault])
        assert {(writer.id, each) for each in range(place + 2, COVERED + 1)} == named(
            [fault for fault in faults if "moved down by 1" in fault]
        )

    @given(left=st.integers(0, COVERED - 1))
    @settings(max_examples=10)
    def test_a_tail(self, kept: Kept, left: int) -> None:
        """Of which the chain itself tells nothing; told on one line."""
        writer = kept.writers[0]
        faults = kept.tampered(put(kept, writer, list(kept.chains[writer.id])[:left]))
        assert {(writer.id, place) for place in range(left + 1, COVERED + 1)} == named(faults)
        assert not [fault for each in verify(kept.store) for fault in each.faults]

    def test_what_no_checkpoint_has_seen(self, kept: Kept) -> None:
        """A cut tail that is younger than the last checkpoint can't be told."""
        writer = kept.writers[0]
        assert [] == kept.tampered(put(kept, writer, list(kept.chains[writer.id])[:COVERED]))

    @pytest.mark.parametrize("rows", [True, False])
    def test_a_whole_writer(self, kept: Kept, rows: bool) -> None:
        """With its name, or its entries alone."""
        one, two = kept.writers
        chains = {one.id: kept.chains[one.id], two.id: []}
        (fault,) = kept.tampered(chains, [one] if rows else None)
        if rows:
            assert fault.endswith(f"gone; checkpoint 2 saw it with {SECOND} entries")
        else:
            assert {(two.id, place) for place in range(1, SECOND + 1)} == named([fault])

    def test_an_older_copy(self, kept: Kept) -> None:
        """As at the first checkpoint: whole in itself, and behind the second."""
        one, two = kept.writers
        cut, vanished = kept.tampered({one.id: list(kept.chains[one.id])[:4]}, [one])
        assert {(one.id, 5), (one.id, 6), (one.id, 7)} == named([cut])
        assert "missing, and checkpoint 2 saw it" in cut
        assert "gone" in vanished
        assert two.id.hex() in vanished.replace("-", "")


class TestExchanged:
    @given(places=st.permutations(range(COVERED)).map(lambda order: sorted(order[:2])), chained=st.booleans())
    @settings(max_examples=20)
    def test_places(self, kept: Kept, places: list[int], chained: bool) -> None:
        """Both are named, wherever they stand now, and no other."""
        writer, (left, right) = kept.writers[0], places
        entries = list(kept.chains[writer.id])
        entries[left], entries[right] = (
            entries[right]._replace(sequence=left + 1),
            entries[left]._replace(sequence=right + 1),
        )
        faults = kept.tampered(put(kept, writer, linked_anew(writer, entries) if chained else entries))
        told = named([fault for fault in faults if "moved" in fault])
        assert {(writer.id, left + 1), (writer.id, right + 1)} == told
        # Behind the last that was seen, only the chain tells that something before it is another.
        assert named(faults) - told <= {(writer.id, COVERED + 1)}

    @given(places=st.permutations(range(COVERED)).map(lambda order: sorted(order[:2])), chained=st.booleans())
    @settings(max_examples=20)
    def test_contents(self, kept: Kept, places: list[int], chained: bool) -> None:
        """What was decided of one, under the id of another."""
        writer, (left, right) = kept.writers[0], places
        entries = list(kept.chains[writer.id])
        one, two = entries[left], entries[right]
        entries[left] = one._replace(content=two.content, key=two.key)
        entries[right] = two._replace(content=one.content, key=one.key)
        faults = kept.tampered(put(kept, writer, linked_anew(writer, entries) if chained else entries))
        assert {(writer.id, left + 1), (writer.id, right + 1)} == named(faults)

    @given(place=before_another, chained=st.booleans())
    @settings(max_examples=15)
    def test_writers(self, kept: Kept, place: int, chained: bool) -> None:
        """One entry taken from a writer and put behind another's."""
        one, two = kept.writers
        entries, others = list(kept.chains[one.id]), list(kept.chains[two.id])
        others.append(entries.pop(place)._replace(sequence=SECOND + 1))
        if chained:
            entries, others = linked_anew(one, entries), linked_anew(two, others)
        faults = kept.tampered({one.id: entries, two.id: others})
        assert (one.id, place + 1) in named([fault for fault in faults if "missing" in fault])


class TestAdded:
    def test_a_writer_of_long_ago(self, kept: Kept, ring: KeyRing) -> None:
        """Decisions that were never made: a checkpoint of that time would know who made them."""
        writer, entries = a_chain(3, ring)
        writers = [*kept.writers, writer]
        raised = {**kept.numbers, writer.id: max(kept.numbers.values()) + 1}
        forged = replace(kept, numbers=raised)
        (fault,) = forged.tampered({**kept.chains, writer.id: linked_anew(writer, entries)}, writers)
        assert "put in afterwards" in fault
        assert writer.id.hex() in fault.replace("-", "")

    @given(place=of_first)
    @settings(max_examples=10)
    def test_an_entry(self, kept: Kept, ring: KeyRing, place: int) -> None:
        """Put in between: all behind it have moved up, up to what no checkpoint has seen."""
        writer = kept.writers[0]
        _, (forged,) = a_chain(1, ring)
        entries = list(kept.chains[writer.id])
        entries.insert(place, forged)
        faults = kept.tampered(put(kept, writer, linked_anew(writer, entries)))
        assert {(writer.id, each) for each in range(place + 1, COVERED + 1)} == named(faults)
        assert all("moved up by 1" in fault for fault in faults)


class TestBytes:
    @pytest.fixture
    def folder(self, tmp_path: Path, ring: KeyRing) -> Path:
        """A store that nobody has open: all of it in one file."""
        store = SQLiteFolder(tmp_path / "records")
        writer, entries = a_chain(6, ring)
        store.begin(writer, BASIS)
        store.append(entries)
        store.close()
        return tmp_path / "records"

    @pytest.mark.parametrize("place", range(6))
    def test_of_the_file(self, folder: Path, place: int) -> None:
        """One bit of a sealed content, in the file itself."""
        (writer,) = SQLiteFolder(folder).writers()
        content = list(SQLiteFolder(folder).entries(writer))[place].content
        path = folder / "0.sqlite"
        before = path.read_bytes()
        assert 1 == before.count(content)
        path.write_bytes(before.replace(content, flipped(content)))
        ((fault,),) = (each.faults for each in verify(SQLiteFolder(folder)))
        assert {(writer.id, place + 1)} == named([fault])

    @pytest.mark.parametrize(
        "edit",
        [
            "time = 'noon'",
            "time = 0.5",
            "outcome = x'ff'",
            "caller = cast(x'ff' AS text)",
            "content = 'text'",
            "id = x'00'",
            "hash = ''",
            "tag = 7",
            "id = 5",
        ],
    )
    def test_of_another_kind(self, folder: Path, edit: str) -> None:
        """SQLite takes any type in any column; what is no entry any more is a fault, and no error."""
        (writer,) = SQLiteFolder(folder).writers()
        with closing(sqlite3.connect(folder / "0.sqlite")) as connection, connection:
            connection.execute(f"UPDATE decisions SET {edit} WHERE sequence = 3")
        faults = [fault for each in verify(SQLiteFolder(folder)) for fault in each.faults]
        assert (writer.id, 3) in named(faults)
