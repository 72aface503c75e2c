"""Assessments as the JSON-ready answers of the HTTP contract, and the models that document them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decision import Reason
    from engine import Assessment


class Documented(BaseModel):
    """What documents the HTTP contract: compiled when it is first asked for, since at start nobody does."""

    model_config = ConfigDict(defer_build=True)


class ReasonGiven(Documented):
    """One principal reason for a decision that is not an approval."""

    code: str = Field(description="From the reason catalogue.")
    field: str
    text: str = Field(description="What the applicant is told.")
    source: Literal["policy", "score"]


class Prediction(Documented):
    """Answer of /predict, and of each row of /predict/batch."""

    decision: Literal["APPROVE", "CONDITIONAL_APPROVAL", "REJECT"]
    prediction: Literal[0, 1] = Field(description="1 where the PD reaches the policy's reject threshold.")
    probability_of_default: float = Field(ge=0, le=1)
    credit_score: int = Field(description="The PD on the policy's scale; higher is better.")
    reasons: list[ReasonGiven] = Field(description="At most four, most adverse first; empty for an approval.")
    outside_training_range: list[str] = Field(
        description="Scored fields beyond what the model's training data holds, on either side."
    )
    model_name: str
    model_version: str
    policy_version: str
    reference: str | None = Field(default=None, description="The caller's own, where one was sent.")
    decision_id: str | None = Field(default=None, description="Of the decision's record, where decisions are kept.")


class WrongField(Documented):
    """One field of a request that is outside the contract; never its value."""

    loc: list[str | int] = Field(description="[field], or [row, field] in a batch")
    msg: str
    type: str


class BadRow(Documented):
    """What stands in a bad row's place in a partial batch."""

    errors: list[WrongField]


class BatchPrediction(Documented):
    """Answer of /predict/batch."""

    batch_size: int = Field(description="All rows, bad ones included.")
    results: list[Prediction | BadRow] = Field(description="In the order of the request.")


class Impact(Documented):
    """What one field did to the log-odds of default."""

    feature: str
    value: float | str | None = Field(description="The applicant's own; a ratio as computed.")
    impact: float = Field(description="Signed, in log-odds; positive raises the risk.")


class Explanations(Documented):
    """`base_value` plus all impacts is the logit of the probability of default."""

    base_value: float
    unit: Literal["log-odds"]
    risk_drivers: list[Impact] = Field(description="Strongest first.")
    protective_factors: list[Impact] = Field(description="Strongest first.")


class BetterDecision(Documented):
    """The smallest change of one or two fields that would have got a better decision, all else held."""

    changes: dict[str, float | str] = Field(description="What to change in the application, or to state in it.")
    decision: Literal["APPROVE", "CONDITIONAL_APPROVAL"]
    probability_of_default: float = Field(ge=0, le=1)


class Explanation(Prediction):
    """Answer of /predict/explain."""

    explanations: Explanations
    counterfactuals: list[BetterDecision] = Field(
        description="Best decision first, one field before two; empty where none helps."
    )


class Problem(Documented):
    """Every error: RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[WrongField] = Field(
        default_factory=list, description="Each wrong field; absent where none is to blame."
    )


class Health(Documented):
    """Answer of /health."""

    status: Literal["ok"]


class Version(Documented):
    """Answer of /version; nulls where no model could be verified."""

    service: str
    service_version: str
    model_name: str | None
    model_version: str | None
    policy_version: str | None
    bento: str | None = Field(description="The Bento's tag; null from a checkout.")
    access: Literal["open", "keys", "issuer"] = Field(description="Who may do what: CREDIT_RISK_ACCESS.")
    records: Literal["none", "sqlite", "postgresql"] = Field(
        description="Where decisions are kept: CREDIT_RISK_RECORDS, without what it says of the place."
    )
    challenger: dict[str, Any] | None = Field(description="What decides in the shadow; null where nothing does.")
    digests: dict[str, str] = Field(description="SHA-256 of each file of model and policy, by its name.")
    signed_by: dict[str, str | None] = Field(description="SHA-256 of the key that vouched for model and policy.")


def reasons_given(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """A `ReasonGiven` each."""
    return [
        {"code": reason.code, "field": reason.field, "text": reason.text, "source": reason.source} for reason in reasons
    ]


def prediction(assessment: Assessment, decision_id: str | None = None) -> dict[str, Any]:
    """A `Prediction`."""
    identity, decision = assessment.identity, assessment.decision
    return {
        "decision": decision.outcome.value,
        "prediction": decision.prediction,
        "probability_of_default": assessment.pd,
        "credit_score": decision.credit_score,
        "reasons": reasons_given(assessment.reasons),
        "outside_training_range": list(assessment.outside),
        "model_name": identity.model_name,
        "model_version": identity.model_version,
        "policy_version": identity.policy_version,
        **({} if assessment.reference is None else {"reference": assessment.reference}),
        **({} if decision_id is None else {"decision_id": decision_id}),
    }


def explanation(assessment: Assessment, decision_id: str | None = None) -> dict[str, Any]:
    """An `Explanation`; fields without effect are neither drivers nor protective factors."""
    assert assessment.attributions is not None
    # sorted() is stable, so equal impacts keep the schema's order.
    ranked = sorted(assessment.attributions.by_field.items(), key=lambda item: -abs(item[1]))
    impacts = [{"feature": field, "value": assessment.fields[field], "impact": impact} for field, impact in ranked]
    return prediction(assessment, decision_id) | {
        "explanations": {
            "base_value": assessment.attributions.base_value,
            "unit": "log-odds",
            "risk_drivers": [entry for entry in impacts if entry["impact"] > 0],
            "protective_factors": [entry for entry in impacts if entry["impact"] < 0],
        },
        "counterfactuals": [
            {
                "changes": dict(found.changes),
                "decision": found.outcome.value,
                "probability_of_default": found.pd,
            }
            for found in assessment.counterfactuals
        ],
    }
