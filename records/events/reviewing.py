"""What people do with a decision after it was made: they look at it, make it again, and override it, two of them.

Whatever they do, the decision's own record stays as it is. Who acts says which event they saw last, and is told where
another one has come since: two people at one decision don't act past each other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from decision import Outcome
from records.chain import Entry
from records.events.event import Kind, News
from records.events.standing import Proposal, Standing, sealed
from records.events.telling import AgainstError, Teller
from records.keyring import KeyRing
from records.moments import now

MOST_TEXT = 2000
"""Characters of what is said."""

SEEN, OUTCOME, CODE, TEXT, BY, PROPOSAL = "seen", "outcome", "code", "text", "by", "proposal"
"""What something can stand against: the fields of contradictions."""


class Grounds(StrEnum):
    """Why a decision is overridden, for whoever counts; the words beside it say more."""

    DATA_CORRECTED = "DATA_CORRECTED"
    DOCUMENTS_SEEN = "DOCUMENTS_SEEN"
    CIRCUMSTANCES = "CIRCUMSTANCES"
    SECURITY_GIVEN = "SECURITY_GIVEN"
    BEYOND_THE_MODEL = "BEYOND_THE_MODEL"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    OTHER = "OTHER"


GROUNDS: Mapping[Grounds, str] = {
    Grounds.DATA_CORRECTED: "Something stated in the application was wrong",
    Grounds.DOCUMENTS_SEEN: "Documents show more than the application can state",
    Grounds.CIRCUMSTANCES: "Circumstances that neither model nor policy knows of",
    Grounds.SECURITY_GIVEN: "Security or a guarantor was given",
    Grounds.BEYOND_THE_MODEL: "Beyond what the model has learned from",
    Grounds.SUSPECTED_FRAUD: "Suspicion of fraud",
    Grounds.OTHER: "Another reason, said in words",
}
"""What they mean."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who acts.

    Attributes:
        by: the name that is told.
        names: all that tells that it is the same person, whatever name they come under next time: digests, since it is
            only compared. Those of a person's other names, and of what their browser keeps.
    """

    by: str
    names: frozenset[str]

    @classmethod
    def known(cls, by: str, others: Iterable[str] = ()) -> Self:
        """Somebody who is known by one name or several; how these are written doesn't matter.

        Args:
            by: the name that is told.
            others: by which it is the same person.
        """
        return cls(by, frozenset(map(_digest, (by, *others))))


class Reviewer:
    """Tells what one person does.

    Args:
        teller: keeps it.
        ring: seals it.
        who: does it.
    """

    def __init__(self, teller: Teller, ring: KeyRing, who: Who) -> None:
        self._teller = teller
        self._ring = ring
        self._who = who

    def looked(self, entry: Entry, what: str) -> None:
        """Somebody is shown a decision.

        Args:
            entry: of the decision.
            what: of it they are shown.
        """
        self._tell(entry, Kind.VIEWED, {"what": what})

    def replayed(self, entry: Entry, verdict: str, what: Sequence[str] = ()) -> None:
        """Somebody has made it again.

        Args:
            entry: of the decision.
            verdict: that came of it.
            what: differs, or is missing.
        """
        self._tell(entry, Kind.REPLAYED, {"verdict": verdict, "what": list(what)})

    def propose(self, entry: Entry, seen: int, outcome: str, code: str, text: str) -> None:
        """Somebody would have another outcome.

        Args:
            entry: of the decision.
            seen: sequence of what they saw last.
            outcome: that they would have.
            code: why; one of `Grounds`.
            text: why, in words.

        Raises:
            ContradictionError: it stands so already, another proposal is open, or this can't be one.
        """

        def check(stands: Standing) -> None:
            _check_open(stands, open_=False)
            standing_so = entry.outcome if stands.override is None else stands.override.proposal.outcome
            if outcome not in {each.value for each in Outcome}:
                raise AgainstError(OUTCOME, f"must be one of {', '.join(Outcome)}")
            if outcome == standing_so:
                raise AgainstError(OUTCOME, "the decision stands so already; choose another one")
            if code not in set(Grounds):
                raise AgainstError(CODE, f"must be one of {', '.join(Grounds)}")
            _check_text(text, needed=True)

        told = {"decision": outcome, "code": code, "text": text.strip(), "names": sorted(self._who.names)}
        self._tell(entry, Kind.PROPOSED, told, seen, check)

    def confirm(self, entry: Entry, seen: int, text: str = "") -> None:
        """Somebody else says that what is proposed holds from now on.

        Raises:
            ContradictionError: nothing is proposed, or it was this person who did.
        """
        self._settle(entry, Kind.CONFIRMED, seen, text, needed=False)

    def decline(self, entry: Entry, seen: int, text: str) -> None:
        """Somebody else says that it doesn't, and why.

        Raises:
            ContradictionError: as of `confirm`.
        """
        self._settle(entry, Kind.DECLINED, seen, text, needed=True)

    def review(self, entry: Entry, seen: int, text: str = "") -> None:
        """Somebody has looked into a decision, and it stands.

        Raises:
            ContradictionError: a proposal is open.
        """

        def check(stands: Standing) -> None:
            _check_open(stands, open_=False)
            _check_text(text, needed=False)

        self._tell(entry, Kind.REVIEWED, {"text": text.strip()}, seen, check)

    def is_of(self, proposal: Proposal) -> bool:
        """Whether it is this person who proposes something."""
        return not self._who.names.isdisjoint(proposal.names)

    def _settle(self, entry: Entry, kind: Kind, seen: int, text: str, *, needed: bool) -> None:
        def check(stands: Standing) -> None:
            _check_open(stands, open_=True)
            assert stands.proposal is not None
            if self.is_of(stands.proposal):
                raise AgainstError(
                    BY, f"proposed by the same person, or in the same browser, as {stands.proposal.by}; another one "
                    "has to confirm or decline it"
                )  # fmt: skip
            _check_text(text, needed=needed)

        self._tell(entry, kind, {"text": text.strip()}, seen, check)

    def _tell(
        self,
        entry: Entry,
        kind: Kind,
        content: dict[str, Any],
        seen: int | None = None,
        check: Callable[[Standing], None] | None = None,
    ) -> None:
        def say(entry: Entry, stands: Standing) -> tuple[News, ...]:
            if seen is not None and seen != stands.last:
                raise AgainstError(SEEN, "somebody else has acted on it meanwhile; look at what was done, then act")
            if check is not None:
                check(stands)
            return (sealed(kind, content | {"by": self._who.by}, entry, self._ring, now()),)

        self._teller.tell([entry], say)


def _check_open(stands: Standing, *, open_: bool) -> None:
    if open_ and stands.proposal is None:
        raise AgainstError(PROPOSAL, "nothing is proposed")
    if not open_ and stands.proposal is not None:
        raise AgainstError(PROPOSAL, f"{stands.proposal.by} has proposed an override; it has to be settled first")


def _check_text(text: str, *, needed: bool) -> None:
    if needed and not text.strip():
        raise AgainstError(TEXT, "say why; whoever reads it later has nothing else")
    if len(text) > MOST_TEXT:
        raise AgainstError(TEXT, f"at most {MOST_TEXT} characters")


def _digest(name: str) -> str:
    return sha256(unicodedata.normalize("NFKC", name).strip().casefold().encode()).hexdigest()[:32]
