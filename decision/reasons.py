"""From rules and attributions to the reasons that an applicant is owed.

Reg B (12 CFR 1002.9(b)(2)) asks for the specific principal reasons, and its commentary for those of the component that
failed: a rule that forced the outcome discloses itself; where the score would have brought the same outcome, the
score's factors are disclosed too. More than four are not likely to help.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from operator import itemgetter
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from decision.policy import Decision, Outcome
from preprocessing.application import Application
from preprocessing.documents import Strict

MAX_REASONS = 4


class CatalogueEntry(Strict):
    """One reason that can be given.

    Attributes:
        code: stable name of the reason.
        field: the field it is reported under.
        scores: the scored fields whose attributions it sums up; empty for a reason that only rules give.
        text: what the applicant is told.
        text_if_missing: what is told instead where the applicant's value is missing.
        text_by_value: what is told instead for a category, or for the state that a special code stands for.
    """

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
    field: str
    scores: tuple[str, ...]
    text: Annotated[str, Field(min_length=1)]
    text_if_missing: Annotated[str, Field(min_length=1)] | None = None
    text_by_value: dict[str, Annotated[str, Field(min_length=1)]] = Field(default={})

    def told(self, fields: Application) -> str:
        """What this applicant is told."""
        value = fields[self.field]
        return (self.text_if_missing if value is None else self.text_by_value.get(value)) or self.text


class ReasonCatalogue(Strict):
    """`reason_codes.json`: every reason, in the order that settles ties."""

    format: Literal[1]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    reasons: Annotated[tuple[CatalogueEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        codes = [entry.code for entry in self.reasons]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"reason code used twice: {', '.join(twice)}; give each reason its own")
        scored = [field for entry in self.reasons for field in entry.scores]
        if twice := sorted({field for field in scored if scored.count(field) > 1}):
            raise ValueError(f"field scored under two reasons: {', '.join(twice)}; keep it under one")
        # Of two reasons with one field an answer names the first, and a principal factor would be left out.
        reported = [entry.field for entry in self.reasons if entry.scores]
        if twice := sorted({field for field in reported if reported.count(field) > 1}):
            raise ValueError(f"two scored reasons are reported under {', '.join(twice)}; merge their scores")
        return self

    @cached_property
    def codes(self) -> dict[str, CatalogueEntry]:
        """Entries by code."""
        return {entry.code: entry for entry in self.reasons}

    @cached_property
    def scored(self) -> tuple[CatalogueEntry, ...]:
        """Entries whose reasons the score can give."""
        return tuple(entry for entry in self.reasons if entry.scores)

    @property
    def scored_fields(self) -> frozenset[str]:
        """The fields whose attributions some reason takes up."""
        return frozenset(field for entry in self.reasons for field in entry.scores)


class Reason(NamedTuple):
    """One reason for an adverse decision.

    Attributes:
        code: from the catalogue.
        field: the field it is about.
        text: what the applicant is told.
        source: "policy" where a rule gave it, "score" where the probability of default did.
    """

    code: str
    field: str
    text: str
    source: Literal["policy", "score"]


class ScoreFactors(NamedTuple):
    """What the model says of an application, where its score is to be disclosed.

    Attributes:
        impacts: log-odds of each reason that the score can give, in the catalogue's order; see `impacts_of`.
        least_impact: log-odds that a reason has to add to be a principal one.
        lowering: of each of some groups of scored fields, whether better values of one, all else held, would have
            lowered the PD. Asked at most twice.
    """

    impacts: Sequence[float]
    least_impact: float
    lowering: Callable[[Sequence[Sequence[str]]], Sequence[bool]]


Reasoning = Generator[Sequence[Sequence[str]], Sequence[bool], tuple[Reason, ...]]
"""Asks for some groups of scored fields as `ScoreFactors.lowering` is asked, at most twice; returns the reasons."""


def impacts_of(catalogue: ReasonCatalogue, attributions: Mapping[str, float]) -> list[float]:
    """What each reason that the score can give sums up, by the log-odds of each scored field."""
    return [sum(map(attributions.__getitem__, entry.scores)) for entry in catalogue.scored]


def explain_decision(
    decision: Decision, catalogue: ReasonCatalogue, fields: Application, score: ScoreFactors
) -> tuple[Reason, ...]:
    """The principal reasons for a decision: none for an approval, else one to four, each field and each text once.

    Rules that brought the outcome come first, in the policy's order. Where the score alone would have brought it too,
    what raised the applicant's risk over the reference population's follows, most adverse first and at least one. The
    other rules that matched come last, or where the score names their field, and keep a place: each alone would have
    kept the applicant from approval.

    Args:
        decision: what was decided.
        catalogue: groups scored fields into reasons; its order settles ties.
        fields: the applicant's own, to tell a missing value from a bad one.
        score: not read where it is not to be disclosed.
    """
    reasoning = explaining(decision, catalogue, fields, score.impacts, score.least_impact)
    try:
        asked = next(reasoning)
        while True:
            asked = reasoning.send(score.lowering(asked))
    except StopIteration as told:
        reasons: tuple[Reason, ...] = told.value
        return reasons


def explaining(
    decision: Decision,
    catalogue: ReasonCatalogue,
    fields: Application,
    impacts: Sequence[float],
    least_impact: float,
) -> Reasoning:
    """The same in steps, so that what many of them ask can be answered at once."""
    if decision.outcome is Outcome.APPROVE:
        return ()
    matched = [(rule, _reason(catalogue.codes[rule.reason], fields, "policy")) for rule in decision.rules]
    told = _distinct(reason for rule, reason in matched if rule.outcome is decision.outcome)
    owed = _distinct((reason for _, reason in matched), told)
    if discloses_score(decision):
        room = max(1, MAX_REASONS - len(told) - len(owed))
        for entry in (yield from _adverse(catalogue, impacts, least_impact)):
            reason = _reason(entry, fields, "score")
            if same := next((rule for rule in owed if _repeats(reason, [rule])), None):
                owed.remove(same)
                told.append(same)
            elif room and not _repeats(reason, told):
                told.append(reason)
                room -= 1
            if not room and not owed:
                break
    return tuple([*told, *owed][:MAX_REASONS])


def discloses_score(decision: Decision) -> bool:
    """Whether the score alone would have brought the outcome, so that its factors are owed."""
    return decision.outcome is decision.band and decision.outcome is not Outcome.APPROVE


_Ranking = Generator[Sequence[Sequence[str]], Sequence[bool], list[CatalogueEntry]]


def _adverse(catalogue: ReasonCatalogue, impacts: Sequence[float], least_impact: float) -> _Ranking:
    """Every reason that is true and material, most adverse first; where none is, the strongest of the true ones."""
    weighed = list(zip(impacts, catalogue.scored, strict=True))
    material = _ranked([(impact, entry) for impact, entry in weighed if impact > 0 and impact >= least_impact])
    if true := (yield from _true(material)):
        return true
    # Something is owed even if nothing is true, as where all values are the best: then what weighs most.
    ranked = _ranked(weighed)
    return (yield from _true(ranked))[:1] or ranked[:1]


def _ranked(weighed: list[tuple[float, CatalogueEntry]]) -> list[CatalogueEntry]:
    """Most adverse first; stable, also in reverse: ties keep the catalogue's order."""
    return [entry for _, entry in sorted(weighed, key=itemgetter(0), reverse=True)]


def _true(entries: list[CatalogueEntry]) -> _Ranking:
    """Those that some better value of some field would have made less adverse."""
    return list(compress(entries, (yield [entry.scores for entry in entries]))) if entries else []


def _distinct(reasons: Iterable[Reason], besides: Iterable[Reason] = ()) -> list[Reason]:
    """The first of each field and of each text, that `besides` don't tell already."""
    before = list(besides)
    distinct: list[Reason] = []
    for reason in reasons:
        if not _repeats(reason, before + distinct):
            distinct.append(reason)
    return distinct


def _repeats(reason: Reason, others: Iterable[Reason]) -> bool:
    """Whether one of the others names the field, or says the same: of several fields, that there is no credit file."""
    for other in others:  # a loop: twice as fast as any() over a generator  # noqa: SIM110
        if reason.field == other.field or reason.text == other.text:
            return True
    return False


def _reason(entry: CatalogueEntry, fields: Application, source: Literal["policy", "score"]) -> Reason:
    return Reason(entry.code, entry.field, entry.told(fields), source)
