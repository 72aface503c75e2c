"""Answers as HTTP responses, counted and logged in the request's own task as they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from serving.engine import Assessment
from serving.http.answers import explanation, prediction
from serving.http.batches import ROWS_BETWEEN_YIELDS, Result
from serving.http.problems import ProblemError, error_document
from serving.routes import PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN, Route
from serving.telemetry.exchange import request_id
from serving.telemetry.telemetry import Telemetry


class Responses:
    """Responses of the scoring routes, from the results of one request."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._metrics = telemetry.metrics
        self._drift = telemetry.drift
        self._log = telemetry.logs.decision

    def prediction(self, results: list[Result]) -> Awaitable[Response]:
        """Of /predict."""
        return self._single(results, PREDICT, prediction)

    def explanation(self, results: list[Result]) -> Awaitable[Response]:
        """Of /predict/explain."""
        return self._single(results, PREDICT_EXPLAIN, explanation)

    async def batch(self, results: list[Result]) -> Response:
        """Of /predict/batch."""
        problem = next((result for result in results if isinstance(result, ProblemError)), None)
        if problem is not None:
            return problem.response(request_id())
        await self._record(PREDICT_BATCH, [result for result in results if isinstance(result, Assessment)])
        return _json_response({"batch_size": len(results), "results": [_row_answer(result) for result in results]})

    async def _single(
        self, results: list[Result], route: Route, render: Callable[[Assessment], dict[str, Any]]
    ) -> Response:
        (result,) = results
        if isinstance(result, ProblemError):
            return result.response(request_id())
        assert isinstance(result, Assessment)
        await self._record(route, [result])
        return _json_response(render(result))

    async def _record(self, route: Route, assessments: Sequence[Assessment]) -> None:
        """Count and log what is being answered."""
        kind = route.kind
        assert kind is not None
        for row, assessment in enumerate(assessments):
            if row % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
                await asyncio.sleep(0)
            decision, pd = assessment.decision, assessment.pd
            outcome = decision.outcome.value
            self._metrics.count(kind, outcome, pd)
            self._drift.count(assessment.fields, pd, assessment.outside)
            self._log.write(
                "decision",
                {
                    "kind": kind,
                    "decision": outcome,
                    "probability_of_default": pd,
                    "credit_score": decision.credit_score,
                    "reasons": [reason.code for reason in assessment.reasons],
                    "model_version": assessment.identity.model_version,
                    "policy_version": assessment.identity.policy_version,
                    **_digest(assessment.reference),
                },
            )


def _row_answer(result: Result) -> dict[str, Any]:
    if isinstance(result, Assessment):
        return prediction(result)
    return {"errors": [error_document(error) for error in result.errors]}


def _json_response(document: dict[str, Any]) -> Response:
    return Response(to_json(document), media_type="application/json")


def _digest(reference: str | None) -> dict[str, str]:
    """The caller's reference as it may stand in a log: enough to find a line by, and not the reference."""
    return {} if reference is None else {"reference_sha256": sha256(reference.encode()).hexdigest()[:16]}
