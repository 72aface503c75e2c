"""Decisions with what a challenger said of them, out of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from records.basis import Basis
from records.keyring import KeyRing
from records.reading import Archive, Kept
from records.shadow.comparing import Compared, Said
from records.shadow.verdict import StoredVerdict, opened
from records.stores.base import Store

_STEP = 500
"""Decisions looked up in one go."""

Outcomes = Callable[[Iterable[bytes]], dict[bytes, bool]]
"""Whether each of these decisions, by its id, has defaulted; those of which that isn't known are left out."""


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


def none_known(_: Iterable[bytes]) -> dict[bytes, bool]:
    """Where no outcomes are on record."""
    return {}


def both_sides(
    store: Store, ring: KeyRing, since: int = 0, until: int | None = None, outcomes: Outcomes = none_known
) -> dict[tuple[Versions, Versions], Sides]:
    """By champion and challenger, what they said of the same decisions.

    Args:
        store: where both are kept.
        ring: opens them.
        since: of decisions from then on, microseconds since 1970.
        until: and before then.
        outcomes: what became of them.
    """
    archive = Archive(store, ring)
    found: defaultdict[tuple[Versions, Versions], Sides] = defaultdict(Sides)
    for basis in store.challengers():
        for part in _parts(store.verdicts(basis.digest, since, until)):
            decisions = archive.get_all([verdict.decision for verdict in part])
            defaulted = outcomes(decisions)
            for verdict in part:
                kept = decisions.get(verdict.decision)
                if kept is not None:  # what has been purged is nobody's any more
                    compared = _compared(kept, verdict, basis, ring, defaulted.get(verdict.decision))
                    found[Versions.of(kept.basis), Versions.of(basis)].add(verdict, compared)
    return dict(found)


def _parts(verdicts: Iterator[StoredVerdict]) -> Iterator[list[StoredVerdict]]:
    while part := list(islice(verdicts, _STEP)):
        yield part


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
