"""Decisions whose time is over lose their content: never without a notice, nor while they are held.

What is left of one is its place in the chain, its id, time, decision and caller, and the hash that the next entry is
bound to; and an event that says when it was purged, with the same hash. So a chain stays whole, and content that is
missing without such an event is told from a purge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from records.chain import Entry
from records.events.event import Event, Kind, News, of_each
from records.events.naming import by_id
from records.events.standing import as_day, from_day, is_held
from records.moments import now
from records.stores.ledger import Ledger


class Found(NamedTuple):
    """Decisions whose notice is old enough, and that have their content.

    Attributes:
        due: that may be purged.
        held: that may not.
    """

    due: list[Entry]
    held: list[Entry]


def found_until(ledger: Ledger, until: date) -> Iterator[Found]:
    """Decisions with a notice of this day or before, in steps."""
    for ids in ledger.noticed(as_day(until)):
        told = of_each(ledger.told(ids), ids)
        entries, found = by_id(ledger, ids), Found([], [])
        for entry in map(entries.get, ids):
            if entry is not None and entry.content:
                (found.due if is_due(told[entry.id], until) else found.held).append(entry)
        yield found


def purge(ledger: Ledger, due: Sequence[Entry], until: date) -> int:
    """Destroy the content of decisions, but of those that were told otherwise meanwhile.

    Returns:
        How many lost it.
    """
    hashes = {entry.id: entry.hash for entry in due}

    def decide(told: Mapping[bytes, Sequence[Event]]) -> list[News]:
        moment = now()
        return [
            News(moment, Kind.PURGED, decision, None, hashes[decision])
            for decision, events in told.items()
            if is_due(events, until) and not _is_purged(events)
        ]

    return ledger.purge(list(hashes), decide)


def is_due(events: Sequence[Event], until: date) -> bool:
    """Whether a decision may be purged of which this was told."""
    notices = [event.day for event in events if event.kind == Kind.NOTIFIED and event.day is not None]
    # What was told to be purged and still has its content was broken off in between.
    return _is_purged(events) or (bool(notices) and from_day(notices[-1]) <= until and not is_held(events))


def _is_purged(events: Sequence[Event]) -> bool:
    return any(event.kind == Kind.PURGED for event in events)
