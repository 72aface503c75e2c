"""What an assessment is on record as."""

from __future__ import annotations

from typing import Any

from engine import Assessment
from records.basis import Basis


def answered(assessment: Assessment, basis: Basis) -> dict[str, Any]:
    """The part of a `DecisionRecord` that the engine has said, by its names."""
    decided, attributions = assessment.decision, assessment.attributions
    return {
        "reference": assessment.reference,
        "values": tuple(map(assessment.fields.__getitem__, basis.fields)),
        "pd": assessment.pd,
        "outcome": decided.outcome.value,
        "band": decided.band.value,
        "credit_score": decided.credit_score,
        "rules": tuple([rule.id for rule in decided.rules]),
        "reasons": tuple([(reason.code, reason.field) for reason in assessment.reasons]),
        "outside": assessment.outside,
        "attributions": (None if attributions is None else tuple(map(attributions.by_field.__getitem__, basis.scored))),
        "counterfactuals": tuple(
            [(dict(found.changes), found.outcome.value, found.pd) for found in assessment.counterfactuals]
        ),
    }
