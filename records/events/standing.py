"""All that was told of one decision, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from records.chain import Entry
from records.events.event import Event, Kind, News
from records.keyring import KeyRing
from records.moments import as_time

_FIRST_DAY = date(1970, 1, 1)


class Hold(NamedTuple):
    """A reason for which a decision must not be purged.

    Attributes:
        reason: as told; names the hold when it is released.
        by: who told.
        since: UTC, microseconds since 1970.
    """

    reason: str
    by: str
    since: int


class Outcome(NamedTuple):
    """What became of a loan.

    Attributes:
        defaulted: whether it did.
        date: of the default; where there is none, up to which the loan was watched.
        matured: whether that is final, the time being over in which a default counts.
    """

    defaulted: bool
    date: date
    matured: bool

    def __str__(self) -> str:
        return f"{'' if self.defaulted else 'not '}defaulted, {self.date}, {'' if self.matured else 'not '}matured"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told of one decision.

    Attributes:
        notices: the days of the notice, as they were told; the last one counts.
        holds: that were not released.
        held_before: whether there ever was a hold.
        outcomes: as they were told; the last one counts.
        purged: when its content was destroyed, microseconds since 1970.
        closed: whether there is something that can't be read any more.
    """

    notices: tuple[date, ...] = ()
    holds: tuple[Hold, ...] = ()
    held_before: bool = False
    outcomes: tuple[Outcome, ...] = ()
    purged: int | None = None
    closed: bool = False

    @property
    def notified(self) -> date | None:
        """The day of the notice."""
        return self.notices[-1] if self.notices else None

    @property
    def outcome(self) -> Outcome | None:
        """What is known of the loan."""
        return self.outcomes[-1] if self.outcomes else None

    def document(self) -> dict[str, Any]:
        """For JSON."""
        outcome = self.outcome
        return {
            "notified": None if self.notified is None else self.notified.isoformat(),
            "holds": [{"reason": hold.reason, "by": hold.by, "since": as_time(hold.since)} for hold in self.holds],
            "outcome": None if outcome is None else outcome._asdict() | {"date": outcome.date.isoformat()},
            "purged": None if self.purged is None else as_time(self.purged),
        }


def standing(events: Iterable[Event], key: bytes | None, ring: KeyRing) -> Standing:
    """How a decision stands.

    Args:
        events: all that was told of it, in order.
        key: its sealed data key; None once that is destroyed.
        ring: opens it.

    Raises:
        KeyRingError, SealBrokenError: what was told can't be opened.
    """
    found = Standing()
    for event in events:
        if event.kind == Kind.NOTIFIED:
            assert event.day is not None
            found = replace(found, notices=(*found.notices, from_day(event.day)))
        elif event.kind == Kind.PURGED:
            found = replace(found, purged=event.time)
        elif key is None:
            found = replace(found, closed=True)
        else:
            assert event.content is not None
            content = from_json(ring.open_told(event.content, key, event.decision, _bound(event.kind)))
            found = _with(found, event, content)
    return found


def _with(found: Standing, event: Event, content: dict[str, Any]) -> Standing:
    if event.kind == Kind.HOLD:
        hold = Hold(content["reason"], content["by"], event.time)
        return replace(found, holds=(*found.holds, hold), held_before=True)
    if event.kind == Kind.RELEASE:
        return replace(found, holds=tuple(hold for hold in found.holds if hold.reason != content["hold"]))
    outcome = Outcome(content["defaulted"], date.fromisoformat(content["date"]), content["matured"])
    return replace(found, outcomes=(*found.outcomes, outcome))


def is_held(events: Iterable[Event]) -> bool:
    """Whether more holds were told than releases, which needs no key: each release ends one hold."""
    kinds = [event.kind for event in events]
    return kinds.count(Kind.HOLD) > kinds.count(Kind.RELEASE)


def sealed(kind: Kind, content: dict[str, Any], entry: Entry, ring: KeyRing, now: int) -> News:
    """What is told of a decision, closed to whoever hasn't its key.

    Args:
        kind: of what is told.
        content: of it, for JSON.
        entry: of the decision, its key not destroyed.
        ring: opens that.
        now: UTC, microseconds since 1970.
    """
    assert entry.key is not None
    return News(now, kind, entry.id, None, ring.seal_told(to_json(content), entry.key, entry.id, _bound(kind)))


def as_day(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _FIRST_DAY).days


def from_day(days: int) -> date:
    """The same back."""
    return _FIRST_DAY + timedelta(days=days)


def _bound(kind: str) -> bytes:
    """What is sealed as one kind does not open as another."""
    return kind.encode()
