"""What is stored, each entry bound to the one before it.

Every start of a worker is a writer, with a chain of its own: two writers of one chain would fork it. An entry's hash
is over the one before it, what is stored in the clear, and the sealed content: a changed, missing, added or exchanged
entry breaks the chain behind it. The data key is left out, so that destroying it breaks nothing. A cut tail is seen by
nothing in the chain itself, only by a checkpoint that is kept elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from records.basis import Basis
from records.keyring import KeyRing, Sealed
from records.record import DecisionRecord, pack

HASH_BYTES = 32
NO_ENTRY = (struct.error, TypeError, AttributeError, UnicodeEncodeError)
"""What hashing raises where somebody has put a value of another type into a column."""

_FIXED = struct.Struct(">16sQ16sq4I").pack

FINGERPRINT_BYTES = 6
"""Enough to tell which entry it was; that it was changed is told by whole hashes."""


class Entry(NamedTuple):
    """One decision as it is stored.

    Attributes:
        writer: who wrote it, sixteen bytes.
        sequence: its place in the writer's chain, from 1 on, without gaps.
        id: of the decision, sixteen bytes.
        time: UTC, microseconds since 1970.
        outcome: the decision.
        caller: who asked; empty where nobody is asked for a name.
        tag: of the caller's reference, None where there is none.
        content: the sealed record.
        key: its sealed data key; None once it is destroyed.
        hash: over all of this but the key, and over the hash before it.
    """

    writer: bytes
    sequence: int
    id: bytes
    time: int
    outcome: str
    caller: str
    tag: bytes | None
    content: bytes
    key: bytes | None
    hash: bytes

    @property
    def sealed(self) -> Sealed | None:
        """What opens it; None once its key is destroyed."""
        return None if self.key is None else Sealed(self.content, self.key)


class Head(NamedTuple):
    """Where a chain has come to."""

    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Writer:
    """One start of a worker.

    Attributes:
        id: sixteen bytes.
        started: UTC, microseconds since 1970.
        basis: digest of what it decides by.
    """

    id: bytes
    started: int
    basis: bytes

    @property
    def origin(self) -> Head:
        """What the chain begins with."""
        return Head(0, sha256(self.id + struct.pack(">q", self.started) + self.basis).digest())


class Fault(NamedTuple):
    """Where a chain is broken.

    Attributes:
        sequence: of the first entry that is not as it was written.
        what: is wrong there.
    """

    sequence: int
    what: str


def sealed_entries(records: Sequence[DecisionRecord], writer: Writer, basis: Basis, ring: KeyRing) -> list[Entry]:
    """Entries for records that have no place in the writer's chain yet: without sequence and hash."""
    sealed = ring.seal_each([pack(record, basis) for record in records], [record.id for record in records])
    return [
        Entry(
            writer.id,
            0,
            record.id,
            record.time,
            record.outcome,
            record.caller or "",
            None if record.reference is None else ring.tag(record.reference),
            content,
            key,
            b"",
        )
        for record, (content, key) in zip(records, sealed, strict=True)
    ]


def link(entries: Iterable[Entry], head: Head) -> list[Entry]:
    """Entries of one writer in their places behind `head`, in order."""
    linked = []
    before = head.hash
    for sequence, entry in enumerate(entries, head.sequence + 1):
        before = _hash(before, sequence, entry)
        writer, _, identifier, time, outcome, caller, tag, content, key, _ = entry  # a third of what `_replace` takes
        linked.append(Entry(writer, sequence, identifier, time, outcome, caller, tag, content, key, before))
    return linked


def broken(entries: Iterable[Entry], writer: Writer, head: Head | None = None) -> Iterator[Fault]:
    """What is wrong with a writer's chain, entry by entry in the order of their sequence; nothing where all is well.

    Behind a fault the chain is taken up where it goes on, so that one change is told once. Of an entry whose content
    was purged its place is checked, and that the next one is bound to it. `head`: what the entries are behind, where
    they aren't all of the chain.
    """
    head = writer.origin if head is None else head
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            yield Fault(head.sequence + 1, f"{entry.sequence - head.sequence - 1} missing before {entry.sequence}")
        elif entry.content and not _follows(entry, head.hash):
            yield Fault(entry.sequence, "not as it was written, or not behind the entry that it was written behind")
        head = Head(entry.sequence, entry.hash)


def fingerprint(entry: Entry) -> bytes:
    """What an entry is known by wherever in its chain it stands: all that its hash is over, but its place."""
    try:
        return _hash(b"", 0, entry)[:FINGERPRINT_BYTES]
    except NO_ENTRY:
        return bytes(FINGERPRINT_BYTES)


def _follows(entry: Entry, before: bytes) -> bool:
    try:
        return entry.hash == _hash(before, entry.sequence, entry)
    except NO_ENTRY:
        return False


def _hash(before: bytes, sequence: int, entry: Entry) -> bytes:
    writer, _, identifier, time, outcome, caller, tag, content, _, _ = entry
    said, who, tag = outcome.encode(), caller.encode(), tag or b""
    # Each part has its length before it, or two entries could have the same bytes.
    fixed = _FIXED(writer, sequence, identifier, time, len(said), len(who), len(tag), len(content))
    return sha256(b"".join((before, fixed, said, who, tag, content))).digest()
