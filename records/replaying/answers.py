"""What an assessment is on record as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from decision import Outcome, Reason
from decision.policy import Rule
from engine import Assessment
from records.basis import Basis

ANSWERED = (
    "reference",
    "values",
    "pd",
    "outcome",
    "band",
    "credit_score",
    "rules",
    "reasons",
    "outside",
    "attributions",
    "counterfactuals",
)
"""The parts of a `DecisionRecord` that the engine has said, in its order."""

_WORDS: Mapping[Outcome, str] = {outcome: outcome.value for outcome in Outcome}  # faster than `value`


Said = tuple[
    str | None,
    tuple[Any, ...],
    float,
    str,
    str,
    int,
    tuple[str, ...],
    tuple[tuple[str, str], ...],
    tuple[str, ...],
    tuple[float, ...] | None,
    tuple[tuple[dict[str, Any], str, float], ...],
]


def answered(assessment: Assessment, basis: Basis) -> Said:
    """What the engine has said, in the order of `ANSWERED`."""
    fields, pd, decided, reasons = assessment.fields, assessment.pd, assessment.decision, assessment.reasons
    attributions, counterfactuals = assessment.attributions, assessment.counterfactuals
    outcome, band, _, credit_score, rules = decided
    return (
        assessment.reference,
        tuple(map(fields.__getitem__, basis.fields)),
        pd,
        _WORDS[outcome],
        _WORDS[band],
        credit_score,
        rules_said(rules) if rules else (),
        reasons_said(reasons) if reasons else (),
        assessment.outside,
        None if attributions is None else tuple(map(attributions.by_field.__getitem__, basis.scored)),
        tuple([(dict(found.changes), found.outcome.value, found.pd) for found in counterfactuals])
        if counterfactuals
        else (),
    )


def rules_said(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Their names."""
    return tuple([rule.id for rule in rules])


def reasons_said(reasons: Iterable[Reason]) -> tuple[tuple[str, str], ...]:
    """Code and field of each."""
    return tuple([(reason.code, reason.field) for reason in reasons])
