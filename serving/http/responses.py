"""Answers as HTTP responses, counted and logged in the request's own task as they are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from engine import Assessment
from preprocessing.application import InvalidApplicationError
from records.basis import Basis
from records.errors import AnsweredAlreadyError, RecordsUnavailableError
from records.replaying.answers import Said, answered
from serving.http.answers import explanation, prediction
from serving.http.batches import SETTLED, Result
from serving.http.listed import AnsweredList
from serving.http.problems import KeyInUseError, NotRecordedError, error_document
from serving.http.rows import Rows, digest
from serving.recording import Recording
from serving.routes import PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN, Route
from serving.telemetry.exchange import current_exchange, request_id
from serving.telemetry.telemetry import Telemetry
from serving.yielding import ROWS_BETWEEN_YIELDS, give_way


class JSONAnswer(Response):
    """What is answered with 200: two headers, and nothing to be worked out."""

    background = None

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


class Responses:
    """Responses of the scoring routes, from the results of one request."""

    def __init__(self, telemetry: Telemetry, recording: Recording) -> None:
        self._metrics = telemetry.metrics
        self._drift = telemetry.drift
        self._log = telemetry.logs.decision
        self._recording = recording

    def prediction(self, results: list[Result]) -> Awaitable[Response]:
        """Of /predict."""
        return self._single(results, PREDICT, prediction)

    def explanation(self, results: list[Result]) -> Awaitable[Response]:
        """Of /predict/explain."""
        return self._single(results, PREDICT_EXPLAIN, explanation)

    async def unfiled(self, results: list[Result], _: Any = None) -> Response:
        """What /predict/explain would answer, which is no decision: neither recorded nor counted as one."""
        (result,) = results
        if isinstance(result, SETTLED):
            return result.response(request_id())
        assert isinstance(result, Assessment)
        return Response(to_json(explanation(result)), media_type="application/json")

    async def batch(self, results: list[Result]) -> Response:
        """Of /predict/batch."""
        if (settled := next((result for result in results if isinstance(result, SETTLED)), None)) is not None:
            return settled.response(request_id())
        if len(results) == 1 and isinstance(listed := results[0], AnsweredList):
            return await self._listed(listed)
        assessed = [(row, result) for row, result in enumerate(results) if isinstance(result, Assessment)]

        def content(ids: Sequence[str | None]) -> bytes:
            each = iter(ids)
            rows = [
                _bad_row(result) if isinstance(result, InvalidApplicationError) else prediction(result, next(each))
                for result in results
                if isinstance(result, Assessment | InvalidApplicationError)
            ]
            return to_json({"batch_size": len(results), "results": rows})

        return await self._answer(PREDICT_BATCH, assessed, content)

    async def _listed(self, listed: AnsweredList) -> Response:
        """A long list's, as `_answer` does it row by row."""
        kind, answers = PREDICT_BATCH.kind, listed.answers
        assert kind is not None
        rows = Rows(answers, listed.references)

        def content(ids: Sequence[str | None]) -> bytes:
            each, bad = iter(rows.objects(ids)), listed.listed.bad
            texts = (
                to_json(_bad_row(bad[row])).decode() if row in bad else next(each) for row in range(listed.listed.size)
            )
            return f'{{"batch_size":{listed.listed.size},"results":[{",".join(texts if bad else each)}]}}'.encode()

        if self._recording.keeps:
            kept = await self._kept(kind, listed.rows, listed.said, content)
            if isinstance(kept, Response):
                return kept
            await give_way()
        else:
            kept = [None] * len(answers.pd)
        self._metrics.count_many(kind, listed.outcomes(), answers.pd.tolist())
        self._drift.count_many(listed.binned, listed.outside())
        self._log.write_many("decision", rows.lines(kind, kept))
        await give_way()
        return JSONAnswer(content(kept))

    async def _single(
        self, results: list[Result], route: Route, render: Callable[[Assessment, str | None], dict[str, Any]]
    ) -> Response:
        (result,) = results
        if isinstance(result, SETTLED):
            return result.response(request_id())
        assert isinstance(result, Assessment)
        return await self._answer(route, [(None, result)], lambda ids: to_json(render(result, ids[0])))

    async def _answer(
        self,
        route: Route,
        results: Sequence[tuple[int | None, Assessment]],
        content: Callable[[Sequence[str | None]], bytes],
    ) -> Response:
        """Put on record, count and log what is being answered, and answer it."""
        kind = route.kind
        assert kind is not None

        def say(basis: Basis) -> Iterator[Said]:
            return (answered(assessment, basis) for _, assessment in results)

        ids = await self._kept(kind, [row for row, _ in results], say, content)
        if isinstance(ids, Response):
            return ids
        for place, ((_, assessment), decision_id) in enumerate(zip(results, ids, strict=True)):
            if place % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
                await give_way()
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
                    **({} if decision_id is None else {"decision_id": decision_id}),
                    **_digest(assessment.reference),
                },
            )
        return JSONAnswer(content(ids))

    async def _kept(
        self,
        kind: str,
        rows: Sequence[int | None],
        say: Callable[[Basis], Iterable[Said]],
        content: Callable[[Sequence[str | None]], bytes],
    ) -> Sequence[str | None] | Response:
        """Put on record: the decisions' ids, or what is said where that is not to be had."""
        try:
            return await self._recording.keep(kind, rows, say, current_exchange.get(), content)
        except RecordsUnavailableError:
            return NotRecordedError().response(request_id())
        except AnsweredAlreadyError:
            return KeyInUseError().response(request_id())


def _bad_row(result: InvalidApplicationError) -> dict[str, Any]:
    return {"errors": [error_document(error) for error in result.errors]}


def _digest(reference: str | None) -> dict[str, str]:
    return {} if reference is None else {"reference_sha256": digest(reference)}
