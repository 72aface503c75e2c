"""Decisions by what is known of them, and those that wait for somebody."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from decision import Outcome
from desk.archive.cases import Opened
from records.chain import Entry
from records.events.event import Event, Kind, of_each
from records.events.standing import Standing, standing
from records.identifiers import as_text
from records.reading import Archive, Kept
from records.stores.base import Query
from records.stores.ledger import Ledger, in_steps

SHOWN = 50
"""Decisions on a page."""

AT_ONCE = 600
"""Decisions that are asked for at once to look them through."""

LOOKED_THROUGH = 3000
"""Decisions that are looked through for those that wait, before somebody asks for more."""

_AT_A_TIME, _PAUSE = 5, 0.001
"""How many are opened, and for how many seconds scoring goes before the next."""

REVIEWED = frozenset({Kind.CONFIRMED.value, Kind.DECLINED.value, Kind.REVIEWED.value})
"""Whoever tells one of these has looked into a decision."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """One decision in a list.

    Attributes:
        kept: as it was found.
        stands: how it stands.
    """

    kept: Kept
    stands: Standing

    @property
    def id(self) -> str:
        """Of the decision."""
        return as_text(self.kept.entry.id)


@dataclass(frozen=True, slots=True)
class Listed:
    """Decisions, the latest first.

    Attributes:
        found: those.
        until: before which the next ones lie, microseconds since 1970; None where there are none.
        looked: how many were looked through.
        skip: how many of the next ones were shown already.
    """

    found: tuple[Found, ...]
    until: int | None
    looked: int
    skip: int = 0


def find(opened: Opened, query: Query, reference: str | None, skip: int = 0) -> Listed:
    """A page of the decisions that were asked for.

    Args:
        opened: the records.
        query: which.
        reference: the caller's own.
        skip: how many of them were on the page before, of its last moment: all rows of a batch are of one.
    """
    tag = None if reference is None else opened.ring.tag(reference)
    entries = opened.ledger.find(replace(query, tag=tag, most=skip + SHOWN + 1))
    shown, more = entries[skip : skip + SHOWN], len(entries) > skip + SHOWN
    kept = list(Archive(opened.ledger, opened.ring).opened(_in_turn(shown)).values())
    found = tuple(_standing(opened, kept))
    if not more:
        return Listed(found, None, len(kept))
    last = shown[-1].time
    again = sum(entry.time == last for entry in entries[: skip + SHOWN])
    return Listed(found, last + 1, len(kept), again)


def waiting(opened: Opened, until: int | None) -> Listed:
    """Decisions that wait for somebody.

    An override is proposed; or they are conditional or beyond what the model has learned from, and nobody has looked
    into them.

    Args:
        opened: the records.
        until: those before this moment.
    """
    archive, found, looked = Archive(opened.ledger, opened.ring), list[Found](), 0
    while looked < LOOKED_THROUGH and len(found) < SHOWN:
        part, more = _moments(opened.ledger, until)
        looked += len(part)
        found += _those_waiting(opened, archive, part)
        until = part[-1].time if more else None
        if until is None:
            break
    # What needs a second person first: one doesn't find it among the many that are conditional.
    found.sort(key=lambda each: each.stands.proposal is None)
    return Listed(tuple(found), until, looked)


def _those_waiting(opened: Opened, archive: Archive, part: Sequence[Entry]) -> Iterator[Found]:
    ids = [entry.id for entry in part]
    told = _told(opened, ids)
    for entry in _in_turn(entry for entry in part if entry.key is not None):
        kinds = {event.kind for event in told[entry.id]}
        if Kind.PROPOSED not in kinds and kinds & REVIEWED:
            continue
        (kept,) = archive.opened([entry]).values()
        if Kind.PROPOSED in kinds or calls_for_review(kept):
            stands = _stands(opened, entry, told[entry.id])
            if stands.proposal is not None or (stands.review is None and calls_for_review(kept)):
                yield Found(kept, stands)


def calls_for_review(kept: Kept) -> bool:
    """Whether somebody has to look into a decision, whatever was told of it."""
    record = kept.record
    return record is not None and (record.outcome == Outcome.CONDITIONAL_APPROVAL or bool(record.outside))


def _standing(opened: Opened, kept: Sequence[Kept]) -> Iterator[Found]:
    ids = [each.entry.id for each in kept]
    told = _told(opened, ids)
    for each in _in_turn(kept):
        yield Found(each, _stands(opened, each.entry, told[each.entry.id]))


def _stands(opened: Opened, entry: Entry, events: Sequence[Event]) -> Standing:
    return standing(events, entry.key, opened.ring)


def _moments(ledger: Ledger, until: int | None) -> tuple[Sequence[Entry], bool]:
    """Some entries, none of whose moments has others besides, and whether there are more."""
    most = AT_ONCE
    while len(entries := ledger.find(Query(until=until, most=most))) == most:
        if whole := [entry for entry in entries if entry.time != entries[-1].time]:
            return whole, True
        most *= 4
    return entries, False


def _told(opened: Opened, ids: Sequence[bytes]) -> dict[bytes, list[Event]]:
    return of_each((event for step in in_steps(ids) for event in opened.ledger.told(step)), ids)


def _in_turn(items: Iterable[T]) -> Iterator[T]:
    """The items, the event loop's turn between any two of some: it would wait for five milliseconds otherwise."""
    for place, item in enumerate(items):
        if place % _AT_A_TIME == _AT_A_TIME - 1:
            time.sleep(_PAUSE)
        yield item
