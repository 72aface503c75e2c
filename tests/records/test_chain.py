"""Whatever is done to stored entries is seen, and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.chain import Entry, broken
from records.keyring import KeyRing
from records.record import unpack
from tests.records.samples import BASIS, a_chain, a_record, a_writer, behind, chained

CHANGES: dict[str, Callable[[Entry], Entry]] = {
    "time": lambda entry: entry._replace(time=entry.time + 1),
    "outcome": lambda entry: entry._replace(outcome="APPROVE"),
    "caller": lambda entry: entry._replace(caller=""),
    "tag": lambda entry: entry._replace(tag=None),
    "id": lambda entry: entry._replace(id=bytes(16)),
    "content": lambda entry: entry._replace(content=entry.content[:-1] + bytes([entry.content[-1] ^ 1])),
    "parts": lambda entry: entry._replace(outcome=entry.outcome[:-1], caller=entry.outcome[-1] + entry.caller),
}


class TestWhole:
    def test_nothing_is_wrong(self, ring: KeyRing) -> None:
        writer, entries = a_chain(5, ring)
        assert [] == list(broken(entries, writer))
        assert [1, 2, 3, 4, 5] == [entry.sequence for entry in entries]

    def test_goes_on(self, ring: KeyRing) -> None:
        """In parts as in one."""
        writer, entries = a_chain(3, ring)
        entries += chained([a_record(), a_record()], writer, behind(writer, entries), BASIS, ring)
        assert [] == list(broken(entries, writer))

    def test_a_destroyed_key_breaks_nothing(self, ring: KeyRing) -> None:
        writer, entries = a_chain(3, ring)
        entries[1] = entries[1]._replace(key=None)
        assert entries[1].sealed is None
        assert [] == list(broken(entries, writer))

    def test_opens(self, ring: KeyRing) -> None:
        record = a_record(reference="ref-1")
        (entry,) = chained([record], writer := a_writer(), writer.origin, BASIS, ring)
        assert entry.sealed is not None
        assert record == unpack(entry.id, ring.open(entry.sealed, entry.id), BASIS)
        assert ring.tag("ref-1") == entry.tag


class TestBroken:
    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("place", [0, 2, 4])
    def test_changed(self, ring: KeyRing, change: str, place: int) -> None:
        """Any part of any entry; told once, where it is."""
        writer, entries = a_chain(5, ring)
        entries[place] = CHANGES[change](entries[place])
        (fault,) = broken(entries, writer)
        assert place + 1 == fault.sequence

    @given(st.permutations(range(5)).filter(lambda order: order != sorted(order)))
    def test_another_order(self, ring: KeyRing, order: Sequence[int]) -> None:
        writer, entries = a_chain(5, ring)
        assert list(broken([entries[place] for place in order], writer))

    @pytest.mark.parametrize("place", [0, 2])
    def test_deleted(self, ring: KeyRing, place: int) -> None:
        """But for the last, of which a chain alone knows nothing."""
        writer, entries = a_chain(5, ring)
        del entries[place : place + 2]
        (fault,) = broken(entries, writer)
        assert (place + 1, f"2 missing before {place + 3}") == fault

    def test_deleted_and_numbered_anew(self, ring: KeyRing) -> None:
        writer, entries = a_chain(5, ring)
        del entries[1]
        entries = [entry._replace(sequence=place + 1) for place, entry in enumerate(entries)]
        assert 2 == next(broken(entries, writer)).sequence

    def test_exchanged_content(self, ring: KeyRing) -> None:
        writer, entries = a_chain(5, ring)
        one, two = entries[1], entries[3]
        entries[1] = one._replace(content=two.content, key=two.key)
        entries[3] = two._replace(content=one.content, key=one.key)
        assert [2, 4] == [fault.sequence for fault in broken(entries, writer)]

    def test_another_writers(self, ring: KeyRing) -> None:
        """A chain doesn't pass for another one's, nor for one of another basis."""
        writer, entries = a_chain(2, ring)
        other = a_writer()
        assert [1] == [fault.sequence for fault in broken(entries[:1], other)]
        assert list(broken(entries, replace(writer, basis=bytes(32))))
        moved = [entry._replace(writer=other.id) for entry in entries]
        assert list(broken(moved, other))
