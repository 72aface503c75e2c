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

LOOKS = frozenset({Kind.VIEWED.value, Kind.REPLAYED.value})
"""What changes nothing of how a decision stands."""


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


class Proposal(NamedTuple):
    """What somebody would have in place of a decision.

    Attributes:
        sequence: of the event, by which it is confirmed or declined.
        outcome: in place of the decision's.
        code: why, by a code.
        text: why, in words.
        by: who proposes it.
        names: all that this person is known by; see `reviewing.Who`.
        since: UTC, microseconds since 1970.
    """

    sequence: int
    outcome: str
    code: str
    text: str
    by: str
    names: frozenset[str]
    since: int

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "decision": self.outcome,
            "code": self.code,
            "text": self.text,
            "proposed_by": self.by,
            "proposed": as_time(self.since),
        }


class Override(NamedTuple):
    """What holds in place of a decision.

    Attributes:
        proposal: that was confirmed.
        by: who confirmed it.
        since: UTC, microseconds since 1970.
    """

    proposal: Proposal
    by: str
    since: int

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return self.proposal.document() | {"confirmed_by": self.by, "confirmed": as_time(self.since)}


class Review(NamedTuple):
    """That somebody has looked into a decision, and what they said.

    Attributes:
        by: who.
        text: in words; may be empty.
        since: UTC, microseconds since 1970.
    """

    by: str
    text: str
    since: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told of one decision.

    Attributes:
        notices: the days of the notice, as they were told; the last one counts.
        holds: that were not released.
        held_before: whether there ever was a hold.
        outcomes: as they were told; the last one counts.
        proposal: of another outcome, that nobody has confirmed or declined yet.
        override: that was confirmed last.
        review: by whoever confirmed or declined last, or said that it stands.
        last: sequence of what was told last, but for looks; 0 where nothing was.
        purged: when its content was destroyed, microseconds since 1970.
        closed: whether there is something that can't be read any more.
    """

    notices: tuple[date, ...] = ()
    holds: tuple[Hold, ...] = ()
    held_before: bool = False
    outcomes: tuple[Outcome, ...] = ()
    proposal: Proposal | None = None
    override: Override | None = None
    review: Review | None = None
    last: int = 0
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
        outcome, review = self.outcome, self.review
        return {
            "notified": None if self.notified is None else self.notified.isoformat(),
            "holds": [{"reason": hold.reason, "by": hold.by, "since": as_time(hold.since)} for hold in self.holds],
            "outcome": None if outcome is None else outcome._asdict() | {"date": outcome.date.isoformat()},
            "proposal": None if self.proposal is None else self.proposal.document(),
            "override": None if self.override is None else self.override.document(),
            "review": None if review is None else review._asdict() | {"since": as_time(review.since)},
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
        if event.kind in LOOKS:
            continue
        found = replace(found, last=event.sequence)
        if event.kind == Kind.NOTIFIED:
            assert event.day is not None
            found = replace(found, notices=(*found.notices, from_day(event.day)))
        elif event.kind == Kind.PURGED:
            found = replace(found, purged=event.time)
        elif key is None:
            found = replace(found, closed=True)
        else:
            found = _with(found, event, opened(event, key, ring))
    return found


def opened(event: Event, key: bytes, ring: KeyRing) -> dict[str, Any]:
    """What is sealed of an event; empty where nothing is.

    Args:
        event: no purge.
        key: the decision's sealed data key.
        ring: opens it.

    Raises:
        KeyRingError, SealBrokenError: it can't be opened.
    """
    if event.content is None:
        return {}
    content: dict[str, Any] = from_json(ring.open_told(event.content, key, event.decision, _bound(event.kind)))
    return content


def _with(found: Standing, event: Event, content: dict[str, Any]) -> Standing:
    if event.kind == Kind.HOLD:
        hold = Hold(content["reason"], content["by"], event.time)
        return replace(found, holds=(*found.holds, hold), held_before=True)
    if event.kind == Kind.RELEASE:
        return replace(found, holds=tuple(hold for hold in found.holds if hold.reason != content["hold"]))
    if event.kind == Kind.OUTCOME:
        outcome = Outcome(content["defaulted"], date.fromisoformat(content["date"]), content["matured"])
        return replace(found, outcomes=(*found.outcomes, outcome))
    if event.kind == Kind.PROPOSED:
        why = (content["decision"], content["code"], content["text"])
        proposal = Proposal(event.sequence, *why, content["by"], frozenset(content["names"]), event.time)
        return replace(found, proposal=proposal)
    if event.kind in {Kind.CONFIRMED, Kind.DECLINED, Kind.REVIEWED}:
        review = Review(content["by"], content["text"], event.time)
        override = found.override
        if event.kind == Kind.CONFIRMED and found.proposal is not None:
            override = Override(found.proposal, content["by"], event.time)
        return replace(found, proposal=None, override=override, review=review)
    return found  # of a kind that a later version tells


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
