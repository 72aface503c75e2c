"""Request bodies: what one has to hold, read within the limits into the items of a batch.

Whatever is wrong with a request or a row travels through the batch as a value, and is told to that request alone: an
exception in a batch would fail all the requests that were merged into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from preprocessing.application import FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from serving.http.batches import ROWS_BETWEEN_YIELDS, Item, Queued
from serving.http.encodings import refusal
from serving.http.problems import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedJSONError,
    ProblemError,
    UnsupportedMediaTypeError,
)
from serving.settings import Settings
from serving.telemetry.exchange import current_exchange
from serving.telemetry.telemetry import Telemetry

ContractOf = Callable[[], Contract]
"""The served contract, which is known only once the model is loaded; until then a NotReadyError is raised."""


class Bodies:
    """Reads the scoring routes' requests.

    Args:
        limits: of a body's size and rows.
        contract_of: what an application has to be.
        telemetry: counts invalid fields, and makes the span of reading.
    """

    def __init__(self, limits: Settings, contract_of: ContractOf, telemetry: Telemetry) -> None:
        self._limits = limits
        self._contract_of = contract_of
        self._tracing = telemetry.tracing
        self._count_invalid = telemetry.metrics.count_invalid

    def one(self, request: Request) -> Awaitable[list[Queued]]:
        """The application of a request, or what is wrong with it."""
        return self._queued(request, self._read_one)

    def many(self, request: Request) -> Awaitable[list[Queued]]:
        """The rows of a request, or what is wrong with it as the only row."""
        return self._queued(request, self._read_many)

    async def _queued(self, request: Request, read: Callable[[Request], Awaitable[list[Item]]]) -> list[Queued]:
        span = self._tracing.current()
        try:
            with self._tracing.span("validate"):
                items = await read(request)
        except ProblemError as problem:
            items = [problem]
        now = perf_counter()
        return [Queued(item, now, span) for item in items]

    async def _read_one(self, request: Request) -> list[Item]:
        contract, document = self._contract_of(), await _read_json(request, self._limits)
        _note_rows(1)
        try:
            return [contract.parse(document)]
        except InvalidApplicationError as exc:
            self._count(exc, contract)
            raise invalid(exc.errors) from None

    async def _read_many(self, request: Request) -> list[Item]:
        partial, contract = _partial(request), self._contract_of()
        document, most = await _read_json(request, self._limits), self._limits.max_batch_rows
        if not isinstance(document, list):
            raise InvalidRequestError("the body must be a JSON list of applications; send one alone to /predict")
        if not 1 <= len(document) <= most:
            raise InvalidRequestError(f"the list holds {len(document)} applications; send 1 to {most}")
        _note_rows(len(document))
        items = await self._parse_rows(contract, document)
        if not partial and (
            errors := [error for item in items if isinstance(item, InvalidApplicationError) for error in item.errors]
        ):
            raise invalid(errors)
        return items

    async def _parse_rows(self, contract: Contract, document: list[Any]) -> list[Item]:
        items: list[Item] = []
        for row, entry in enumerate(document):
            try:
                items.append(contract.parse(entry))
            except InvalidApplicationError as exc:
                self._count(exc, contract)
                items.append(InvalidApplicationError(tuple(error.at(row) for error in exc.errors)))
            if row % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
                await asyncio.sleep(0)
        return items

    def _count(self, exc: InvalidApplicationError, contract: Contract) -> None:
        for error in exc.errors:
            self._count_invalid(error.loc, error.type, contract.by_name)


def invalid(errors: Sequence[FieldError]) -> InvalidRequestError:
    """What is said of a request with these errors in it."""
    return InvalidRequestError(f"{len(errors)} invalid field(s); `errors` names each", errors=errors)


def _partial(request: Request) -> bool:
    value = request.query_params.get("partial", "false")
    if value not in ("true", "false"):
        raise InvalidRequestError("the query parameter partial takes true or false")
    return value == "true"


def _content_type(request: Request) -> str:
    """The body's media type, which has to be declared once, and as JSON without an encoding.

    Raises:
        UnsupportedMediaTypeError: any header of either name says something else.
    """
    types: list[str] = []
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            types.append(value.decode("latin-1"))
        elif name == b"content-encoding" and value.strip().lower() not in (b"identity", b""):
            raise UnsupportedMediaTypeError("send the body as it is, without a Content-Encoding")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError
    return types[0]


async def _read_json(request: Request, limits: Settings) -> Any:
    content_type = _content_type(request)
    body = await _read_body(request, limits.max_body_bytes)
    try:
        return from_json(body)
    except ValueError as exc:
        # The parser's message gives the problem and its position, and repeats nothing of the body.
        raise MalformedJSONError(refusal(body, exc, content_type)) from None


async def _read_body(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    except ClientDisconnect:
        raise MalformedJSONError("the connection was closed before the body was complete") from None
    return bytes(body)


def too_large(limit: int) -> BodyTooLargeError:
    """What is said of a body over the limit."""
    return BodyTooLargeError(f"the body may hold {limit} bytes; send fewer applications a request")


def _note_rows(rows: int) -> None:
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.rows = rows
