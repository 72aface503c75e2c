"""What is stored of what was told, each event bound to the one before it.

Events come seldom, from commands and from whoever reports outcomes; so all of a store's are in one chain, and who adds
to it holds the store's lock. What could say something of a person is sealed by a key that comes from the decision's
data key: where that is destroyed, what was told is closed with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from records.chain import FINGERPRINT_BYTES, HASH_BYTES, NO_ENTRY, Fault, Head


class Kind(StrEnum):
    """What can be told."""

    NOTIFIED = "notified"
    HOLD = "hold"
    RELEASE = "release"
    OUTCOME = "outcome"
    PURGED = "purged"
    VIEWED = "viewed"
    REPLAYED = "replayed"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    REVIEWED = "reviewed"


ORIGIN = Head(0, bytes(HASH_BYTES))
"""What the chain begins with."""


class News(NamedTuple):
    """What is told, before it has its place.

    Attributes:
        time: at which it was told: UTC, microseconds since 1970.
        kind: of what was told.
        decision: id of the decision.
        day: of the notice, days since 1970-01-01; None for all other kinds.
        content: sealed, or for a purge the hash of the entry; None where there is none.
    """

    time: int
    kind: str
    decision: bytes
    day: int | None
    content: bytes | None


class Event(NamedTuple):
    """The same as it is stored.

    Attributes:
        sequence: its place, from 1 on, without gaps.
        time: as told.
        kind: as told.
        decision: as told.
        day: as told.
        content: as told.
        hash: over all of it, and over the hash before it.
    """

    sequence: int
    time: int
    kind: str
    decision: bytes
    day: int | None
    content: bytes | None
    hash: bytes


def linked(news: Iterable[News], head: Head) -> list[Event]:
    """Events for what is told, in order, behind `head`."""
    events = []
    for each in news:
        event = Event(head.sequence + 1, *each, b"")
        head = Head(event.sequence, _hash(head.hash, event))
        events.append(event._replace(hash=head.hash))
    return events


def broken(events: Iterable[Event], head: Head = ORIGIN) -> Iterator[Fault]:
    """What is wrong with the chain, in order; behind a fault it is taken up where it goes on.

    Args:
        events: in order.
        head: what they are behind.
    """
    for event in events:
        if event.sequence != head.sequence + 1:
            yield Fault(head.sequence + 1, f"{event.sequence - head.sequence - 1} missing before {event.sequence}")
        elif not _follows(event, head.hash):
            yield Fault(event.sequence, "not as it was told, or not behind the event that it was told behind")
        head = Head(event.sequence, event.hash)


def of_each(events: Iterable[Event], decisions: Sequence[bytes]) -> dict[bytes, list[Event]]:
    """What was told of each decision, in order."""
    found: dict[bytes, list[Event]] = {decision: [] for decision in decisions}
    for event in events:
        found[event.decision].append(event)
    return found


def fingerprint(event: Event) -> bytes:
    """What an event is known by wherever in the chain it stands, as an entry is by its own."""
    try:
        return _hash(b"", event._replace(sequence=0))[:FINGERPRINT_BYTES]
    except NO_ENTRY:
        return bytes(FINGERPRINT_BYTES)


def _follows(event: Event, before: bytes) -> bool:
    try:
        return event.hash == _hash(before, event)
    except NO_ENTRY:
        return False


def _hash(before: bytes, event: Event) -> bytes:
    kind, content = event.kind.encode(), event.content
    day = b"" if event.day is None else struct.pack(">q", event.day)
    # What is not there is told from what is empty; each part has its length before it.
    lengths = struct.pack(">3q", len(kind), len(day), -1 if content is None else len(content))
    place = struct.pack(">Qq16s", event.sequence, event.time, event.decision)
    return sha256(b"".join((before, place, lengths, kind, day, content or b""))).digest()
