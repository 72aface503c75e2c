"""What is new of what is told: the same told twice changes nothing, and what contradicts is named, and not kept.

Who corrects says so; then what was told before stays in the chain, and the last one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from records.chain import Entry
from records.errors import RecordsError
from records.events.event import Event, Kind, News
from records.events.standing import Outcome, Standing, as_day, sealed, standing
from records.identifiers import as_text
from records.keyring import KeyRing
from records.moments import as_datetime, now
from records.stores.ledger import Ledger

_CORRECT = "where that was wrong, tell it as a correction"


class Contradiction(NamedTuple):
    """What can't be kept.

    Attributes:
        decision: id of the decision.
        field: of what is told.
        what: stands against it, with the remedy.
    """

    decision: bytes
    field: str
    what: str


class ContradictionError(RecordsError):
    """What is told can't be, as things stand; nothing of it was kept.

    Attributes:
        contradictions: all that were found.
    """

    def __init__(self, contradictions: Sequence[Contradiction]) -> None:
        self.contradictions = tuple(contradictions)
        super().__init__("\n".join(f"{as_text(each.decision)}: {each.what}" for each in contradictions))


class Told(NamedTuple):
    """What came of telling.

    Attributes:
        told: decisions of which something new is kept.
        unchanged: those of which it was known.
        erased: those that were erased or purged, of which nothing is kept any more.
    """

    told: int
    unchanged: int = 0
    erased: int = 0


Say = Callable[[Entry, Standing], Sequence[News]]
"""From a decision as it stands to what is new. Raises an `AgainstError` where something stands against it."""


class AgainstError(Exception):
    """What stands against what is told of one decision.

    Args:
        field: of what is told.
        what: stands against it, with the remedy.
    """

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field


class Teller:
    """Tells of decisions.

    Args:
        ledger: keeps what is told.
        ring: seals it.
    """

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self._ledger = ledger
        self._ring = ring

    def notified(self, entries: Sequence[Entry], day: date, *, correct: bool = False, by: str | None = None) -> Told:
        """The applicants were notified of these decisions on a day.

        Args:
            entries: of the decisions.
            day: of the notice.
            correct: whether it is in place of what was told before.
            by: who says so, where it is known.

        Raises:
            ContradictionError: not before the decision, not in the future, and not on another day than told already.
        """

        def say(entry: Entry, stands: Standing) -> Sequence[News]:
            _check_day(entry, day)
            if stands.notified == day or (day in stands.notices and not correct):
                return ()
            if stands.notified is not None and not correct:
                raise AgainstError("date", f"notified on {stands.notified} as told before, not {day}; {_CORRECT}")
            if by is None or entry.key is None:
                return (News(now(), Kind.NOTIFIED, entry.id, as_day(day), None),)
            return (sealed(Kind.NOTIFIED, {"by": by}, entry, self._ring, now())._replace(day=as_day(day)),)

        return self.tell(entries, say, erased_too=True)

    def hold(self, entries: Sequence[Entry], reason: str, by: str) -> Told:
        """These decisions must not be purged, for a reason."""

        def say(entry: Entry, stands: Standing) -> Sequence[News]:
            if any(hold.reason == reason for hold in stands.holds):
                return ()
            return (sealed(Kind.HOLD, {"reason": reason, "by": by}, entry, self._ring, now()),)

        return self.tell(entries, say)

    def release(self, entries: Sequence[Entry], reason: str, by: str, hold: str | None = None) -> Told:
        """A reason has gone for which these decisions must not be purged.

        Args:
            entries: of the decisions.
            reason: why it has gone.
            by: who says so.
            hold: the reason for which they are held; None where there is one only.

        Raises:
            ContradictionError: there is no such hold, or there are several.
        """

        def say(entry: Entry, stands: Standing) -> Sequence[News]:
            if not stands.held_before:
                raise AgainstError("hold", "never held")
            held = [each.reason for each in stands.holds if hold in {None, each.reason}]
            if len(held) > 1:
                raise AgainstError("hold", f"held for several reasons; name one: {'; '.join(map(ascii, held))}")
            told = {"reason": reason, "by": by}
            return [sealed(Kind.RELEASE, told | {"hold": each}, entry, self._ring, now()) for each in held]

        return self.tell(entries, say)

    def outcomes(self, outcomes: Mapping[bytes, Outcome], entries: Sequence[Entry], *, correct: bool = False) -> Told:
        """What became of the loans of these decisions.

        Raises:
            ContradictionError: not before the decision, not in the future, and nothing else than is final already.
        """

        def say(entry: Entry, stands: Standing) -> Sequence[News]:
            outcome = outcomes[entry.id]
            if stands.outcome == outcome or (outcome in stands.outcomes and not correct):
                return ()
            _check_day(entry, outcome.date)
            if not correct and _is_older(outcome, stands.outcome):
                return ()
            if not correct:
                _check_next(outcome, stands.outcome)
            told = {"defaulted": outcome.defaulted, "date": outcome.date.isoformat(), "matured": outcome.matured}
            return (sealed(Kind.OUTCOME, told, entry, self._ring, now()),)

        return self.tell(entries, say)

    def tell(self, entries: Sequence[Entry], say: Say, *, erased_too: bool = False) -> Told:
        """Tell of each of some decisions what `say` makes of how it stands, while nobody else tells anything.

        Raises:
            ContradictionError: something stands against any of it; nothing is kept.
        """
        # What was erased can still be purged, but nothing more can be sealed of it.
        left = [entry for entry in entries if entry.content and (erased_too or entry.key is not None)]

        purged: set[bytes] = set()

        def decide(told: Mapping[bytes, Sequence[Event]]) -> list[News]:
            news: list[News] = []
            against: list[Contradiction] = []
            for entry in left:
                stands = standing(told[entry.id], entry.key, self._ring)
                if stands.purged is not None:  # and what has its content yet will lose it
                    purged.add(entry.id)
                    continue
                try:
                    news.extend(say(entry, stands))
                except AgainstError as exc:
                    against.append(Contradiction(entry.id, exc.field, str(exc)))
            if against:
                raise ContradictionError(against)
            return news

        told = {event.decision for event in self._ledger.tell([entry.id for entry in left], decide)} if left else ()
        erased = len(entries) - len(left) + len(purged)
        return Told(len(told), len(entries) - len(told) - erased, erased)


def _is_older(outcome: Outcome, known: Outcome | None) -> bool:
    """Whether it is what was so before what is known, and says nothing new."""
    return known is not None and not outcome.defaulted and not outcome.matured and outcome.date < known.date


def _check_next(outcome: Outcome, known: Outcome | None) -> None:
    """Whether what is known can become this outcome: a loan is watched on, defaults once, and then it is final."""
    if known is None:
        return
    stays = outcome == known._replace(matured=True)
    goes_on = not known.defaulted and outcome.date >= known.date
    if known.matured or not (stays or goes_on):
        raise AgainstError("defaulted", f"known as {known}, not as {outcome}; {_CORRECT}")


def _check_day(entry: Entry, day: date) -> None:
    """Whether a day can be; it may be the day before or behind this one elsewhere."""
    decided = as_datetime(entry.time).date()
    if day < decided - timedelta(days=1):
        raise AgainstError("date", f"{day} is before the decision, of {decided}")
    if day > datetime.now(UTC).date() + timedelta(days=1):
        raise AgainstError("date", f"{day} is in the future")
