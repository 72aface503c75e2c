"""A record as the answer that it was: its figures are its own, its texts those of the model and policy of its day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Assessment
from records.identifiers import as_text
from records.reading import Kept
from records.record import DecisionRecord


def answer(kept: Kept, record: DecisionRecord, assessment: Assessment) -> dict[str, Any]:
    """What /predict/explain told, or would have told where another route did.

    Args:
        kept: the decision.
        record: of it.
        assessment: what the model and policy of its day make of the same application.
    """
    fields, attributions = record.fields(kept.basis), assessment.attributions
    assert attributions is not None
    texts = {(each.code, each.field): (each.text, each.source) for each in assessment.reasons}
    told = attributions.by_field
    if record.attributions is not None:
        told = dict(zip(kept.basis.scored, record.attributions, strict=True))
    impacts = [{"feature": name, "value": fields[name], "impact": impact} for name, impact in told.items()]
    return {
        "decision_id": as_text(kept.entry.id),
        "decision": record.outcome,
        "probability_of_default": record.pd,
        "credit_score": record.credit_score,
        "reasons": [_reason(code, field, texts) for code, field in record.reasons],
        "outside_training_range": list(record.outside),
        "model_name": kept.basis.model_name,
        "model_version": kept.basis.model_version,
        "policy_version": kept.basis.policy_version,
        "counterfactuals": _counterfactuals(record, assessment),
        "explanations": {
            "base_value": attributions.base_value,
            "risk_drivers": [each for each in impacts if each["impact"] > 0],
            "protective_factors": [each for each in impacts if each["impact"] < 0],
        },
        **({} if record.reference is None else {"reference": record.reference}),
    }


def is_told(record: DecisionRecord, assessment: Assessment) -> bool:
    """Whether each reason of a record has the words that the applicant is told."""
    return set(record.reasons) <= {(each.code, each.field) for each in assessment.reasons}


def _reason(code: str, field: str, texts: Mapping[tuple[str, str], tuple[str, str]]) -> dict[str, Any]:
    text, source = texts.get((code, field), (code, "score"))
    return {"code": code, "field": field, "text": text, "source": source}


def _counterfactuals(record: DecisionRecord, assessment: Assessment) -> list[dict[str, Any]]:
    """Those that were told; where none were asked for, those that would have been."""
    told = record.counterfactuals
    if record.attributions is None:
        told = tuple((dict(each.changes), each.outcome.value, each.pd) for each in assessment.counterfactuals)
    return [{"changes": changes, "decision": outcome, "probability_of_default": pd} for changes, outcome, pd in told]
