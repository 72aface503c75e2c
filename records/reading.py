"""Stored entries opened again, and as a document that people and programs read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from records.basis import Basis
from records.chain import Entry, Writer
from records.errors import StoreError
from records.identifiers import as_text
from records.keyring import KeyRing
from records.moments import as_time
from records.record import DecisionRecord, unpack
from records.stores.base import Query, Store


class Kept(NamedTuple):
    """One decision as it was found.

    Attributes:
        entry: as it is stored.
        basis: what it was decided by.
        record: what was sealed; None once its key is destroyed.
    """

    entry: Entry
    basis: Basis
    record: DecisionRecord | None

    def document(self) -> dict[str, Any]:
        """All of it, for JSON; an erased one says what is left."""
        entry, record = self.entry, self.record
        clear: dict[str, Any] = {
            "decision_id": as_text(entry.id),
            "time": as_time(entry.time),
            "decision": entry.outcome,
            "caller": entry.caller or None,
            "writer": str(UUID(bytes=entry.writer)),
            "sequence": entry.sequence,
            "erased": record is None,
        }
        told = {} if record is None else _told(record, self.basis)
        basis = self.basis.model_dump(mode="json", exclude={"sample", "fields", "scored"})
        return clear | told | {"basis": basis}


class Archive:
    """A store's entries, opened.

    Args:
        store: that they are in.
        ring: that opens them.
    """

    def __init__(self, store: Store, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring
        self._writers: dict[bytes, Writer] = {}
        self._bases: dict[bytes, Basis] = {}

    def get(self, identifier: bytes) -> Kept | None:
        """One decision, by its id."""
        entry = self._store.get(identifier)
        return None if entry is None else self._opened(entry)

    def opened(self, entries: Iterable[Entry]) -> dict[bytes, Kept]:
        """Entries by their decisions' ids."""
        return {entry.id: self._opened(entry) for entry in entries}

    def find(self, query: Query, reference: str | None = None) -> list[Kept]:
        """Decisions, the latest first; as of `each`."""
        return list(self.each(query, reference))

    def each(self, query: Query, reference: str | None = None) -> Iterator[Kept]:
        """Decisions, the latest first, opened one by one.

        Args:
            query: which.
            reference: the caller's own.
        """
        asked = query if reference is None else replace(query, tag=self._ring.tag(reference))
        return map(self._opened, self._store.find(asked))

    def all(self, since: int = 0, until: int | None = None) -> Iterator[Kept]:
        """All decisions of a time, microseconds since 1970, writer by writer in the order in which they were made."""
        for writer in self._store.writers():
            for entry in self._store.entries(writer):
                if entry.time >= since and (until is None or entry.time < until):
                    yield self._opened(entry)

    def _opened(self, entry: Entry) -> Kept:
        basis = self._basis(entry.writer)
        sealed = entry.sealed
        record = None if sealed is None else unpack(entry.id, self._ring.open(sealed, entry.id), basis)
        return Kept(entry, basis, record)

    def _basis(self, writer: bytes) -> Basis:
        if writer not in self._writers:
            self._writers = {each.id: each for each in self._store.writers()}
        digest = self._writers[writer].basis
        if digest not in self._bases:
            basis = self._store.basis(digest)
            if basis is None or basis.digest != digest:
                raise StoreError(f"basis {digest.hex()} is missing or changed; without it its records can't be read")
            self._bases[digest] = basis
        return self._bases[digest]


def _told(record: DecisionRecord, basis: Basis) -> dict[str, Any]:
    return {
        "route": record.route,
        "row": record.row,
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "reference": record.reference,
        "idempotency_key": record.idempotency_key,
        "received": record.received,
        "fields": record.fields(basis),
        "probability_of_default": record.pd,
        "band": record.band,
        "credit_score": record.credit_score,
        "rules": list(record.rules),
        "reasons": _pairs(record.reasons),
        "outside_training_range": list(record.outside),
        "attributions": None if record.attributions is None else dict(_scored(basis, record.attributions)),
        "counterfactuals": [
            {"changes": changes, "decision": decision, "probability_of_default": pd}
            for changes, decision, pd in record.counterfactuals
        ],
    }


def _pairs(reasons: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"code": code, "field": field} for code, field in reasons]


def _scored(basis: Basis, attributions: Iterable[float]) -> Iterator[tuple[str, float]]:
    return zip(basis.scored, attributions, strict=True)
