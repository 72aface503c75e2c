"""Decisions made again from their records, by what they were made by, and held against what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from pydantic_core import from_json

from decision import InvalidPolicyError
from engine import Assessment, Engine, open_model
from preprocessing.application import Application, InvalidApplicationError
from records.basis import Basis, processor
from records.errors import NotArchivedError
from records.reading import Kept
from records.record import DecisionRecord
from records.replaying.answers import ANSWERED, answered
from records.replaying.archived import archived_files
from records.stores.base import Store
from records.stores.ledger import in_steps
from scoring.artifact import ArtifactError

CHUNK = 200
"""Decisions made again in one go."""

MOST_OPENED = 4
"""Models and policies of other days that are held in memory."""

LAST_BITS = 1e-9
"""How far PDs of two kinds of processors may lie apart, and still be the same decision's."""


_NAMES = {
    "values": "fields",
    "pd": "probability_of_default",
    "outcome": "decision",
    "outside": "outside_training_range",
}
"""What an answer calls the parts of a record that have another name there."""


class Verdict(StrEnum):
    """What a replay comes to."""

    IDENTICAL = "identical"
    DIFFERS = "differs"
    UNVERIFIABLE = "unverifiable"
    OTHER_PROCESSOR = "other processor"


class Replayed(NamedTuple):
    """One decision, made again.

    Attributes:
        kept: as it was found.
        verdict: what came of it.
        what: differs, or is missing.
    """

    kept: Kept
    verdict: Verdict
    what: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """For JSON."""
        document = self.kept.document()
        return {"decision_id": document["decision_id"], "verdict": self.verdict.value, "what": list(self.what)}


class Replayer:
    """Makes decisions again, each by the model and policy of its day.

    Args:
        store: that has them in its archive.
        known: engines by the digest of their basis, which need not be opened.
    """

    def __init__(self, store: Store, known: Mapping[bytes, Engine] | None = None) -> None:
        self._store = store
        self._known = known or {}
        self._engines: dict[bytes, Engine | str] = {}

    def replay(self, kept: Iterable[Kept]) -> Iterator[Replayed]:
        """Each decision again, in order; those that follow each other and were told alike in one go."""
        for (basis, explained), group in groupby(kept, key=_alike):
            engine = self.engine(basis)
            for part in in_steps(group, CHUNK):
                if isinstance(engine, str):
                    yield from (Replayed(each, Verdict.UNVERIFIABLE, (engine,)) for each in part)
                else:
                    yield from _again(engine, part, explained=explained)

    def engine(self, basis: Basis) -> Engine | str:
        """What decided; or what of it is missing, in a sentence."""
        if (known := self._known.get(basis.digest)) is not None:
            return known
        if basis.digest not in self._engines:
            while len(self._engines) >= MOST_OPENED:
                del self._engines[next(iter(self._engines))]
            self._engines[basis.digest] = self._opened(basis)
        return self._engines[basis.digest]

    def _opened(self, basis: Basis) -> Engine | str:
        try:
            artifact, policy = archived_files(self._store, basis.digests)
            return Engine(*open_model(artifact), policy)
        except (NotArchivedError, ArtifactError, InvalidPolicyError) as exc:
            return str(exc)


def _alike(kept: Kept) -> tuple[Basis, bool]:
    return kept.basis, kept.record is not None and kept.record.attributions is not None


def _again(engine: Engine, part: Sequence[Kept], *, explained: bool) -> Iterator[Replayed]:
    applications = [_application(engine, kept) for kept in part]
    asked = [application for application in applications if not isinstance(application, str)]
    assessed = iter((engine.explain if explained else engine.assess)(asked))
    for kept, application in zip(part, applications, strict=True):
        if isinstance(application, str):
            yield Replayed(kept, Verdict.UNVERIFIABLE, (application,))
        else:
            assert kept.record is not None
            yield _held_against(kept, kept.record, next(assessed))


def _application(engine: Engine, kept: Kept) -> Application | str:
    """The application as it is read from what was received; or why it isn't."""
    if kept.record is None:
        return "erased"
    try:
        return engine.contract.parse(from_json(kept.record.received))
    except (ValueError, InvalidApplicationError):
        return "what was received is no application of its contract"


def _held_against(kept: Kept, record: DecisionRecord, assessment: Assessment) -> Replayed:
    basis = kept.basis
    different = tuple(
        _NAMES.get(name, name)
        for name, value in zip(ANSWERED, answered(assessment, basis), strict=True)
        if getattr(record, name) != value
    )
    if not different:
        return Replayed(kept, Verdict.IDENTICAL)
    last_bits = {"probability_of_default", "attributions", "counterfactuals"}
    if basis.processor != processor() and set(different) <= last_bits and abs(record.pd - assessment.pd) <= LAST_BITS:
        return Replayed(kept, Verdict.OTHER_PROCESSOR, different)
    return Replayed(kept, Verdict.DIFFERS, different)
