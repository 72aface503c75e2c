"""Decisions of each model and month out of a store, as far as figures need them."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import Outcome as Decision
from preprocessing.documents import InvalidDocumentError, read_document
from preprocessing.fields import PD
from records.basis import Basis
from records.events.event import of_each
from records.events.standing import Outcome, standing
from records.figures.statistics import Floats
from records.keyring import KeyRing
from records.moments import as_time
from records.reading import Kept
from records.stores.ledger import STEP, Ledger
from scoring.artifact import DISTRIBUTION, MANIFEST
from scoring.distribution import FieldBins, TrainingDistribution


class Model(NamedTuple):
    """What said a probability of default.

    Attributes:
        name: of the model.
        version: of it.
        manifest: SHA-256 of its manifest: two that share a version are told apart. Empty where none is named.
        distribution: SHA-256 of what its training data was like. Empty where none is named.
    """

    name: str
    version: str
    manifest: str
    distribution: str

    @classmethod
    def of(cls, basis: Basis) -> Model:
        """That of a basis."""
        digests = (basis.digests.get(name, "") for name in (MANIFEST, DISTRIBUTION))
        return cls(basis.model_name, basis.model_version, *digests)


@dataclass(slots=True)
class Cohort:
    """Decisions of one model in a time. Each is in one of the counts, or has its outcome here.

    Attributes:
        refused: by the decision, whatever was told of them later.
        erased: approved, and nothing more can be read.
        untold: approved, and nothing is known of the loan.
        unmatured: approved, and what is known is not final.
        said: PDs of all that can be read, the refused ones among them.
        expected: PDs of those whose outcome is final.
        defaulted: whether these did, 0 or 1.
    """

    refused: int = 0
    erased: int = 0
    untold: int = 0
    unmatured: int = 0
    said: array[float] = field(default_factory=lambda: array("d"))
    expected: array[float] = field(default_factory=lambda: array("d"))
    defaulted: array[int] = field(default_factory=lambda: array("b"))

    def add(self, kept: Kept, outcome: Outcome | None) -> None:
        """Take a decision in, with what is known of its loan."""
        pd = None if kept.record is None else kept.record.pd
        if pd is not None:
            self.said.append(pd)
        if is_refused(kept):
            self.refused += 1
        elif pd is None:
            self.erased += 1
        elif outcome is None:
            self.untold += 1
        elif not outcome.matured:
            self.unmatured += 1
        else:
            self.expected.append(pd)
            self.defaulted.append(outcome.defaulted)

    @property
    def outcomes(self) -> tuple[Floats, NDArray[np.bool_]]:
        """PDs, and whether the loans defaulted."""
        return np.array(self.expected, dtype=np.float64), np.array(self.defaulted, dtype=bool)


Cohorts = dict[Model, dict[str, Cohort]]
"""By model, then by month (UTC) as in 2026-11."""


def cohorts(
    ledger: Ledger, ring: KeyRing, kept: Iterable[Kept], counted: Callable[[int], None] = lambda _: None
) -> Cohorts:
    """Decisions by model and month.

    Args:
        ledger: that they are in.
        ring: its keys.
        kept: the decisions.
        counted: told how many more were taken in.
    """
    found: defaultdict[Model, defaultdict[str, Cohort]] = defaultdict(lambda: defaultdict(Cohort))
    for part in _parts(kept):
        outcomes = _outcomes(ledger, ring, [each for each in part if not is_refused(each) and each.record is not None])
        for each in part:
            month = as_time(each.entry.time)[:7]
            found[Model.of(each.basis)][month].add(each, outcomes.get(each.entry.id))
        counted(len(part))
    return {model: dict(sorted(months.items())) for model, months in sorted(found.items())}


def all_months(months: Iterable[Cohort]) -> Cohort:
    """All of them as one."""
    together = Cohort()
    for each in months:
        together.refused += each.refused
        together.erased += each.erased
        together.untold += each.untold
        together.unmatured += each.unmatured
        together.said += each.said
        together.expected += each.expected
        together.defaulted += each.defaulted
    return together


def trained_on(ledger: Ledger, model: Model) -> FieldBins | None:
    """PDs that the model gives its training data, in bins; None where that isn't in the archive, or can't be read."""
    content = ledger.archived(model.distribution) if model.distribution else None
    if content is None:
        return None
    try:
        distribution = read_document(TrainingDistribution, content)
    except InvalidDocumentError:  # of another version of the service
        return None
    return next((bins for bins in distribution.bins if bins.field == PD), None)


def is_refused(kept: Kept) -> bool:
    """Whether there is no loan."""
    return kept.entry.outcome == Decision.REJECT.value


def _outcomes(ledger: Ledger, ring: KeyRing, part: Sequence[Kept]) -> dict[bytes, Outcome | None]:
    ids = [kept.entry.id for kept in part]
    told = of_each(ledger.told(ids), ids) if ids else {}
    return {kept.entry.id: standing(told[kept.entry.id], kept.entry.key, ring).outcome for kept in part}


def _parts(kept: Iterable[Kept]) -> Iterator[list[Kept]]:
    rows = iter(kept)
    while part := list(islice(rows, STEP)):
        yield part
