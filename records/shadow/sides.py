"""Decisions with what a challenger said of them, out of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from records.basis import Basis
from records.events.event import of_each
from records.events.standing import Standing, standing
from records.keyring import KeyRing
from records.reading import Archive, Kept
from records.shadow.comparing import Compared, Said
from records.shadow.verdict import StoredVerdict, opened
from records.stores.ledger import Ledger, in_steps


class Versions(NamedTuple):
    """What decides.

    Attributes:
        model: its version.
        policy: the same.
    """

    model: str
    policy: str

    @classmethod
    def of(cls, basis: Basis) -> Versions:
        """Those of a basis."""
        return cls(basis.model_version, basis.policy_version)


@dataclass(slots=True)
class Sides:
    """All decisions that one champion made, with what one challenger said.

    Attributes:
        decisions: those that can be compared.
        erased: those whose keys are destroyed.
        first: time of the first, microseconds since 1970.
        last: and of the last.
    """

    decisions: list[Compared] = field(default_factory=list)
    erased: int = 0
    first: int = 0
    last: int = 0

    def add(self, verdict: StoredVerdict, compared: Compared | None) -> None:
        """Take one in; None is an erased one."""
        self.first = min(self.first or verdict.time, verdict.time)
        self.last = max(self.last, verdict.time)
        if compared is None:
            self.erased += 1
        else:
            self.decisions.append(compared)


def both_sides(
    ledger: Ledger, ring: KeyRing, since: int = 0, until: int | None = None
) -> dict[tuple[Versions, Versions], Sides]:
    """By champion and challenger, what they said of the same decisions.

    Args:
        ledger: where both are kept, and what became of them.
        ring: opens them.
        since: of decisions from then on, microseconds since 1970.
        until: and before then.
    """
    archive = Archive(ledger, ring)
    found: defaultdict[tuple[Versions, Versions], Sides] = defaultdict(Sides)
    for basis in ledger.challengers():
        for part in in_steps(ledger.verdicts(basis.digest, since, until)):
            decisions = archive.opened(ledger.entries_of([verdict.decision for verdict in part]))
            outcomes = _outcomes(ledger, ring, decisions)
            for verdict in part:
                kept = decisions.get(verdict.decision)
                if kept is not None:  # else it was taken by a loss of power, or never came out of a spool
                    compared = _compared(kept, verdict, basis, ring, outcomes[verdict.decision])
                    found[Versions.of(kept.basis), Versions.of(basis)].add(verdict, compared)
    return dict(found)


def _outcomes(ledger: Ledger, ring: KeyRing, decisions: Mapping[bytes, Kept]) -> dict[bytes, bool | None]:
    """Whether each has defaulted, where that is final."""
    ids = list(decisions)
    told = of_each(ledger.told(ids), ids)
    return {each: _defaulted(standing(told[each], kept.entry.key, ring)) for each, kept in decisions.items()}


def _defaulted(stands: Standing) -> bool | None:
    outcome = stands.outcome
    return None if outcome is None or not (outcome.defaulted or outcome.matured) else outcome.defaulted


def _compared(
    kept: Kept, stored: StoredVerdict, basis: Basis, ring: KeyRing, defaulted: bool | None
) -> Compared | None:
    record, verdict = kept.record, opened(stored, basis.digest, ring)
    if record is None or verdict is None:
        return None
    champion = Said(record.pd, record.outcome, _codes(record.reasons))
    return Compared(champion, Said(verdict.pd, verdict.outcome, _codes(verdict.reasons)), defaulted)


def _codes(reasons: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(code for code, _ in reasons)
