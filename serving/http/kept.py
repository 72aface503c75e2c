"""What the routes about decisions on record take and answer, as the models that document it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictStr

from decision import Outcome
from serving.http.answers import Documented

OUTCOME_VALUES = tuple(outcome.value for outcome in Outcome)

FOUND, MOST_FOUND = 100, 500
"""Decisions in an answer, where nothing is said of how many, and at most."""

_TIME = "UTC, such as 2026-11-30T12:00:00.000000Z."
_DATE = "Such as 2026-11-30."


class KeptReason(Documented):
    """One principal reason that was given."""

    code: str
    field: str


class KeptCounterfactual(Documented):
    """A change that was told, and what it would have led to."""

    changes: dict[str, Any]
    decision: str
    probability_of_default: float


class Hold(Documented):
    """Why a decision must not be purged."""

    reason: str
    by: str
    since: str = Field(description=_TIME)


class KeptDecision(Documented):
    """A decision on record. Of an erased or purged one, what the record held is left out."""

    decision_id: str
    time: str = Field(description=_TIME)
    decision: str
    caller: str | None
    writer: str
    sequence: int
    erased: bool
    route: str | None = None
    row: int | None = None
    request_id: str | None = None
    trace_id: str | None = None
    reference: str | None = None
    idempotency_key: str | None = None
    received: str | None = Field(default=None, description="The application, byte for byte as it came.")
    fields: dict[str, Any] = Field(default_factory=dict, description="What was used of it.")
    probability_of_default: float | None = None
    band: str | None = None
    credit_score: int | None = None
    rules: list[str] = Field(default_factory=list)
    reasons: list[KeptReason] = Field(default_factory=list)
    outside_training_range: list[str] = Field(default_factory=list)
    attributions: dict[str, float] | None = None
    counterfactuals: list[KeptCounterfactual] = Field(default_factory=list)
    notified: str | None = Field(description=f"The day of the notice. {_DATE}")
    holds: list[Hold]
    # No model: OpenAPI 3.0.3 has no reference that may be null.
    outcome: dict[str, Any] | None = Field(
        description=f"What became of the loan: `defaulted`, `date` ({_DATE[:-1]}) and `matured`."
    )
    # The same of these three.
    proposal: dict[str, Any] | None = Field(
        description="An override that nobody has confirmed or declined yet: `decision`, `code`, `text`, `proposed_by` "
        "and `proposed`."
    )
    override: dict[str, Any] | None = Field(
        description="The same of the one that was confirmed last, which holds in place of `decision`; "
        "`confirmed_by` and `confirmed`."
    )
    review: dict[str, Any] | None = Field(description="Who has looked into it last: `by`, `text` and `since`.")
    purged: str | None = Field(description=f"When its content was destroyed. {_TIME}")
    basis: dict[str, Any] = Field(
        default_factory=dict, description="What it was decided by: versions and digests. In a list it is left out."
    )


class FoundDecisions(Documented):
    """Answer of /decisions."""

    decisions: list[KeptDecision] = Field(description="The latest first.")


class Replay(Documented):
    """A decision made again by the model and policy of its day."""

    decision_id: str
    verdict: Literal["identical", "differs", "unverifiable", "other processor"]
    what: list[str] = Field(description="Differs, or is missing.")


class ReportedOutcome(Documented):
    """What became of a loan. The decision is named by its id or by the caller's reference."""

    model_config = ConfigDict(extra="forbid")

    decision_id: StrictStr | None = None
    reference: StrictStr | None = None
    defaulted: StrictBool
    date: Annotated[StrictStr, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] = Field(
        description=f"Of the default; where there is none, up to which the loan was watched. {_DATE}"
    )
    matured: StrictBool = Field(description="Whether that is final.")


class OutcomesKept(Documented):
    """Answer of /outcomes: numbers of decisions."""

    kept: int = Field(description="Of which something new is known.")
    unchanged: int = Field(description="Of which it was known.")
    erased: int = Field(description="That were erased or purged; nothing is kept of them.")
