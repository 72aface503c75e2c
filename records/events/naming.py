"""The decisions that an id or a reference names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from records.chain import Entry
from records.keyring import KeyRing
from records.stores.ledger import Ledger, in_steps


def by_id(ledger: Ledger, ids: Sequence[bytes]) -> dict[bytes, Entry]:
    """Entries of decisions; those that aren't there are left out."""
    return {entry.id: entry for step in in_steps(ids) for entry in ledger.entries_of(step)}


def by_reference(ledger: Ledger, ring: KeyRing, references: Sequence[str]) -> dict[str, list[Entry]]:
    """Entries of each reference, the earliest first; empty where there are none."""
    tags = {ring.tag(reference): reference for reference in references}
    found: dict[str, list[Entry]] = {reference: [] for reference in references}
    for step in in_steps(tags):
        for entry in _ordered(ledger.tagged(step)):
            assert entry.tag is not None
            found[tags[entry.tag]].append(entry)
    return found


def _ordered(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.time, entry.writer, entry.sequence))
