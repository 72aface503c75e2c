"""One decision with all that was told of it, and what people do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from pydantic_core import from_json

from desk.archive.recorded import answer, is_told
from engine import Assessment, Engine
from preprocessing.application import Application
from records.events.acts import Act, acts
from records.events.event import Kind
from records.events.reviewing import Reviewer, Who
from records.events.standing import Standing, standing
from records.events.telling import ContradictionError, Teller
from records.identifiers import as_text, from_text
from records.keyring import KeyRing
from records.moments import now
from records.reading import Archive, Kept
from records.replaying.replay import Replayer
from records.stores.ledger import Ledger

BESIDE = 15 * 60 * 1_000_000
"""Microseconds for which whoever has looked at a decision is taken to be at it still."""


class Opened(Protocol):
    """Records that are open."""

    @property
    def ledger(self) -> Ledger:
        """Keeps them."""

    @property
    def ring(self) -> KeyRing:
        """Opens them."""

    @property
    def replayer(self) -> Replayer:
        """Makes decisions again, and has what decided them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A decision as somebody is shown it.

    Attributes:
        kept: as it was found.
        stands: how it stands.
        acts: all that was told of it, in order.
        others: names of those who have looked at it just now, too.
        own: whether an open proposal is of whoever looks.
        engine: what decided; None where it isn't there any more.
        missing: what of it is missing, in a sentence.
        application: as the contract of its day reads it.
        answer: as /predict/explain would have told it; None without what decided.
        told: whether the words of all its reasons are known.
    """

    kept: Kept
    stands: Standing
    acts: tuple[Act, ...]
    others: tuple[str, ...]
    own: bool
    engine: Engine | None = None
    missing: str = ""
    application: Application | None = None
    answer: Mapping[str, Any] | None = None
    told: bool = False

    @property
    def id(self) -> str:
        """Of the decision."""
        return as_text(self.kept.entry.id)

    @property
    def outcome(self) -> str:
        """What holds: an override that was confirmed, or the decision."""
        override = self.stands.override
        return self.kept.entry.outcome if override is None else override.proposal.outcome


def case(opened: Opened, decision: str, who: Who, what: str) -> Case | None:
    """A decision for somebody to see, which is told; None where there is none of this id.

    Args:
        opened: the records.
        decision: its id.
        who: is shown it.
        what: of it they are shown.

    Raises:
        RecordsError: it can't be read, or that it is shown can't be told.
    """
    kept = _kept(opened, decision)
    if kept is None:
        return None
    reviewer = _reviewer(opened, who)
    reviewer.looked(kept.entry, what)
    events = opened.ledger.told([kept.entry.id])
    done = tuple(acts(events, kept.entry.key, opened.ring))
    stands = standing(events, kept.entry.key, opened.ring)
    own = stands.proposal is not None and reviewer.is_of(stands.proposal)
    plain = Case(kept, stands, done, _others(done, who), own)
    return _with_engine(plain, opened)


def replay(opened: Opened, decision: str, who: Who) -> bool:
    """Make a decision again, and tell what came of it; whether there is one of this id."""
    kept = _kept(opened, decision)
    if kept is not None:
        (again,) = opened.replayer.replay([kept])
        _reviewer(opened, who).replayed(kept.entry, again.verdict.value, again.what)
    return kept is not None


def notify(opened: Opened, decision: str, who: Who, day: date, *, correct: bool) -> Mapping[str, str] | None:
    """Tell on which day the letter went out; as of `act`."""
    return _told(
        _kept(opened, decision),
        lambda kept: Teller(opened.ledger, opened.ring).notified([kept.entry], day, correct=correct, by=who.by),
    )


def act(opened: Opened, decision: str, who: Who, do: Callable[[Reviewer, Kept], object]) -> Mapping[str, str] | None:
    """Have somebody act on a decision.

    Args:
        opened: the records.
        decision: its id.
        who: acts.
        do: the act.

    Returns:
        What stands against it, by the field that it is about; None where there is no such decision.
    """
    return _told(_kept(opened, decision), lambda kept: do(_reviewer(opened, who), kept))


def _told(kept: Kept | None, tell: Callable[[Kept], object]) -> Mapping[str, str] | None:
    if kept is None:
        return None
    try:
        tell(kept)
    except ContradictionError as exc:
        return {each.field: each.what for each in exc.contradictions}
    return {}


def _kept(opened: Opened, decision: str) -> Kept | None:
    try:
        return Archive(opened.ledger, opened.ring).get(from_text(decision))
    except ValueError:
        return None


def _reviewer(opened: Opened, who: Who) -> Reviewer:
    return Reviewer(Teller(opened.ledger, opened.ring), opened.ring, who)


def _others(done: tuple[Act, ...], who: Who) -> tuple[str, ...]:
    since = now() - BESIDE
    named = {act.by: None for act in done if act.kind == Kind.VIEWED and act.time >= since}
    return tuple(by for by in named if by is not None and by != who.by)


def _with_engine(plain: Case, opened: Opened) -> Case:
    kept, record = plain.kept, plain.kept.record
    if record is None:
        return plain
    engine = opened.replayer.engine(kept.basis)
    if isinstance(engine, str):
        return replace(plain, missing=engine)
    try:
        application = engine.contract.parse(from_json(record.received))
    except ValueError as exc:  # of JSON and of the contract
        return replace(plain, missing=f"what was received can't be read any more ({type(exc).__name__})")
    assessment: Assessment = engine.explain([application])[0]
    return replace(
        plain,
        engine=engine,
        application=application,
        answer=answer(kept, record, assessment),
        told=is_told(record, assessment),
    )
