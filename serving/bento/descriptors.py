"""How requests become rows for the batcher, and rows become responses: BentoML's input and output descriptors.

A batchable method gets the rows of many requests in one list, and an exception would fail all of them. So whatever is
wrong with a request or a row travels through the batch as a value, and is told to that request alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from time import perf_counter
from typing import Any, ClassVar

from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from preprocessing.application import FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from serving.bento.framework import IODescriptor, IORootModel
from serving.engine import Assessment
from serving.http.answers import BatchPrediction, Explanation, Prediction, explanation, prediction
from serving.http.batches import Item, Result, Row
from serving.http.encodings import refusal
from serving.http.problems import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedJSONError,
    ProblemError,
    UnsupportedMediaTypeError,
    error_document,
)
from serving.settings import Settings
from serving.telemetry import drift, metrics
from serving.telemetry.exchange import current_exchange, request_id
from serving.telemetry.logs import decision_log
from serving.telemetry.tracing import tracing

ROWS_BETWEEN_YIELDS = 25
"""Rows parsed or recorded before other requests get their turn on the event loop: some 2 ms of work at most."""


class Input(IODescriptor):
    """Reads a request within the limits; whatever is wrong becomes the one item of its batch."""

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> list[Row]:  # noqa: ARG003  # BentoML's signature
        """The rows of a request, or what is wrong with it as the only row."""
        span = tracing.current()
        try:
            with tracing.span("validate"):
                items = await cls.read(request)
        except ProblemError as problem:
            items = [problem]
        now = perf_counter()
        return [Row(item, now, span) for item in items]

    @classmethod
    async def read(cls, request: Request) -> list[Item]:  # noqa: ARG003  # every input defines its own
        """The rows of the request.

        Raises:
            ProblemError: the request as a whole is refused.
        """
        raise AssertionError("every input defines its own")


ContractOf = Callable[[], Contract]
"""The served contract, which is known only once the model is loaded; until then a NotReadyError is raised."""


def application_input(limits: Settings, contract_of: ContractOf) -> type[IODescriptor]:
    """The descriptor of a body that is one application."""

    class Application(Input, IORootModel[dict[str, Any]]):
        __root_input__: ClassVar[bool] = True

        @classmethod
        async def read(cls, request: Request) -> list[Item]:
            contract, document = contract_of(), await _read_json(request, limits)
            _note_rows(1)
            try:
                return [contract.parse(document)]
            except InvalidApplicationError as exc:
                _count_invalid(exc, contract)
                raise _invalid(exc.errors) from None

    return Application


def applications_input(limits: Settings, contract_of: ContractOf) -> type[IODescriptor]:
    """The descriptor of a body that is a list of applications."""

    class Applications(Input, IORootModel[list[dict[str, Any]]]):
        __root_input__: ClassVar[bool] = True

        @classmethod
        async def read(cls, request: Request) -> list[Item]:
            partial, contract = _partial(request), contract_of()
            document = await _read_json(request, limits)
            if not isinstance(document, list):
                raise InvalidRequestError("the body must be a JSON list of applications; send one alone to /predict")
            if not 1 <= len(document) <= limits.max_batch_rows:
                raise InvalidRequestError(
                    f"the list holds {len(document)} applications; send 1 to {limits.max_batch_rows}"
                )
            _note_rows(len(document))
            items = await _parse_rows(contract, document)
            if not partial and (
                errors := [
                    error for item in items if isinstance(item, InvalidApplicationError) for error in item.errors
                ]
            ):
                raise _invalid(tuple(errors))
            return items

    return Applications


def prediction_output() -> type[IODescriptor]:
    """The descriptor of /predict's answer."""
    return _single_output(Prediction, "single", prediction)


def explanation_output() -> type[IODescriptor]:
    """The descriptor of /predict/explain's answer."""
    return _single_output(Explanation, "explain", explanation)


def _single_output(model: type, kind: str, render: Callable[[Assessment], dict[str, Any]]) -> type[IODescriptor]:
    class Output(IODescriptor, model):
        @classmethod
        async def to_http_response(cls, obj: list[Result], serde: Any) -> Response:  # noqa: ARG003  # BentoML's signature
            (result,) = obj
            if isinstance(result, ProblemError):
                return result.response(request_id())
            assert isinstance(result, Assessment)
            await _record(kind, [result])
            return _json_response(render(result))

    Output.__name__ = Output.__qualname__ = model.__name__
    return Output


def batch_output() -> type[IODescriptor]:
    """The descriptor of /predict/batch's answer."""

    class Output(IODescriptor, BatchPrediction):
        @classmethod
        async def to_http_response(cls, obj: list[Result], serde: Any) -> Response:  # noqa: ARG003  # BentoML's signature
            problem = next((result for result in obj if isinstance(result, ProblemError)), None)
            if problem is not None:
                return problem.response(request_id())
            await _record("batch", [result for result in obj if isinstance(result, Assessment)])
            return _json_response({"batch_size": len(obj), "results": [_row_answer(result) for result in obj]})

    return Output


def _row_answer(result: Result) -> dict[str, Any]:
    if isinstance(result, Assessment):
        return prediction(result)
    return {"errors": [error_document(error) for error in result.errors]}


def _json_response(document: dict[str, Any]) -> Response:
    return Response(to_json(document), media_type="application/json")


def _invalid(errors: tuple[FieldError, ...]) -> InvalidRequestError:
    return InvalidRequestError(f"{len(errors)} invalid field(s); `errors` names each", errors=errors)


def _partial(request: Request) -> bool:
    value = request.query_params.get("partial", "false")
    if value not in ("true", "false"):
        raise InvalidRequestError("the query parameter partial takes true or false")
    return value == "true"


def _count_invalid(exc: InvalidApplicationError, contract: Contract) -> None:
    for error in exc.errors:
        metrics.count_invalid(error, contract.by_name)


async def _parse_rows(contract: Contract, document: list[Any]) -> list[Item]:
    items: list[Item] = []
    for row, entry in enumerate(document):
        try:
            items.append(contract.parse(entry))
        except InvalidApplicationError as exc:
            _count_invalid(exc, contract)
            items.append(InvalidApplicationError(tuple(error.at(row) for error in exc.errors)))
        if row % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
            await asyncio.sleep(0)
    return items


async def _read_json(request: Request, limits: Settings) -> Any:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaTypeError("send the body as it is, without a Content-Encoding")
    body = await _read_body(request, limits.max_body_bytes)
    try:
        return from_json(body)
    except ValueError as exc:
        # The parser's message gives the problem and its position, and repeats nothing of the body.
        raise MalformedJSONError(refusal(body, exc, content_type)) from None


async def _read_body(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise MalformedJSONError("the connection was closed before the body was complete") from None
    return bytes(body)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body may hold {limit} bytes; send fewer applications a request")


def _note_rows(rows: int) -> None:
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.rows = rows


async def _record(kind: str, assessments: Sequence[Assessment]) -> None:
    """Count and log what is being answered, in the request's own task."""
    for row, assessment in enumerate(assessments):
        if row % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
            await asyncio.sleep(0)
        metrics.count(kind, assessment)
        drift.count(assessment)
        decision = assessment.decision
        decision_log.write(
            "decision",
            {
                "kind": kind,
                "decision": decision.outcome.value,
                "probability_of_default": assessment.pd,
                "credit_score": decision.credit_score,
                "reasons": [reason.code for reason in assessment.reasons],
                "model_version": assessment.identity.model_version,
                "policy_version": assessment.identity.policy_version,
                **_digest(assessment.reference),
            },
        )


def _digest(reference: str | None) -> dict[str, str]:
    """The caller's reference as it may stand in a log: enough to find a line by, and not the reference."""
    return {} if reference is None else {"reference_sha256": sha256(reference.encode()).hexdigest()[:16]}
