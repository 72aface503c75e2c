"""The routes about decisions on record in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serving.http.bodies import too_large
from serving.http.kept import (
    FOUND,
    MOST_FOUND,
    OUTCOME_VALUES,
    FoundDecisions,
    KeptDecision,
    OutcomesKept,
    Replay,
    ReportedOutcome,
)
from serving.http.problems import (
    InternalError,
    InvalidRequestError,
    MalformedJSONError,
    NoRecordsError,
    NoSuchDecisionError,
    RecordsUnreadableError,
    RequestTimeoutError,
    SlowRequestError,
    UnsupportedMediaTypeError,
)
from serving.http.schemas import REF
from serving.routes import DECISION, DECISION_REPLAY, DECISIONS, OUTCOMES
from serving.settings import Settings

ANSWERS = (KeptDecision, FoundDecisions, Replay, OutcomesKept)

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "decision_id"}

_REPORTED = {"reference": "loan-4711", "defaulted": False, "date": "2026-11-30", "matured": False}


def decision_paths(
    settings: Settings, headers: dict[str, Any], problem_responses: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """Each route's path with its operations.

    Args:
        settings: how many rows a body may hold.
        headers: of every answer.
        problem_responses: documents problems.
    """

    def operation(name: str, summary: str, model: type, *problems: Exception) -> dict[str, Any]:
        content = {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}
        common = (NoRecordsError(), InternalError(), RecordsUnreadableError(), RequestTimeoutError())
        return {
            "operationId": name,
            "tags": ["records"],
            "summary": summary,
            "responses": {
                "200": {"description": "OK", "content": content, "headers": headers},
                **problem_responses(*problems, *common),
            },
        }

    reported = {
        "type": "array",
        "items": {"$ref": REF.format(model=ReportedOutcome.__name__)},
        "minItems": 1,
        "maxItems": settings.max_batch_rows,
    }
    body = {"required": True, "content": {"application/json": {"schema": reported, "example": [_REPORTED]}}}
    wrong = InvalidRequestError("1 wrong query parameter(s); `errors` names each")
    large = too_large(settings.max_body_bytes)
    of_body = (MalformedJSONError(), SlowRequestError(), large, UnsupportedMediaTypeError(), InvalidRequestError())
    return {
        DECISIONS.path: {
            "get": operation("find_decisions", "Decisions on record", FoundDecisions, wrong) | {"parameters": _QUERY}
        },
        DECISION.path: {
            "get": operation("show_decision", "One decision", KeptDecision, NoSuchDecisionError())
            | {"parameters": [_ID]}
        },
        DECISION_REPLAY.path: {
            "post": operation("replay_decision", "One decision, made again", Replay, NoSuchDecisionError())
            | {"parameters": [_ID]}
        },
        OUTCOMES.path: {
            "post": operation(
                "report_outcomes", "Tell what became of loans: all of it, or nothing", OutcomesKept, *of_body
            )
            | {"requestBody": body, "parameters": [_CORRECT]}
        },
    }


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"} | schema,
        "description": description,
    }


_QUERY = [
    _parameter("reference", "The caller's own."),
    _parameter("since", "Such as 2026-11-30, or 2026-11-30T12:00:00Z."),
    _parameter("until", "The same, not included."),
    _parameter("outcome", "The decision.", enum=list(OUTCOME_VALUES)),
    _parameter("caller", "Who asked for the decision."),
    _parameter("most", "No more than these.", type="integer", minimum=1, maximum=MOST_FOUND, default=FOUND),
]
_CORRECT = _parameter("correct", "A correction: in place of what was told before.", type="boolean", default=False)
