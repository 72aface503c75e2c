"""Request bodies: what one has to hold, read within the limits into the items of a batch.

Whatever is wrong with a request or a row travels through the batch as a value, and is told to that request alone: an
exception in a batch would fail all the requests that were merged into it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from opentelemetry.trace import SpanContext
from pydantic_core import from_json
from starlette.requests import Request

from preprocessing.application import InvalidApplicationError
from preprocessing.contract import Contract
from serving.http.batches import Item, Queued
from serving.http.encodings import refusal
from serving.http.heads import REFUSAL
from serving.http.idempotency import Repeated, idempotency_key, repeated
from serving.http.listed import LONG, ListReader
from serving.http.problems import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedJSONError,
    NoIdempotencyError,
    ProblemError,
    UnsupportedMediaTypeError,
)
from serving.http.received import received
from serving.http.refusals import invalid
from serving.http.row_by_row import RowByRow
from serving.once import Once
from serving.settings import Settings
from serving.telemetry.exchange import current_exchange
from serving.telemetry.telemetry import Telemetry
from serving.yielding import ROWS_BETWEEN_YIELDS, give_way

MARKS = b",:[{"
"""What a parser makes something of: each value of a body but its first has one of these before it."""

SPARE_MARKS = 104
"""Marks for each row besides those of its fields: its own, 20 unknown fields, and a reference full of them."""

LEAST_ROWS = 50
"""For which there are always marks enough, however few may be sent."""

_ARRIVED = "credit_risk.body"
"""Where a complete body waits in its request's scope, with its media type."""

ContractOf = Callable[[], Contract]
"""The served contract, which is known only once the model is loaded; until then a NotReadyError is raised."""


class Bodies:
    """Reads the scoring routes' requests.

    Args:
        limits: of a body's size and rows.
        contract_of: what an application has to be.
        telemetry: counts invalid fields, and makes the span of reading.
        once: answers requests with a key; None where none are taken.
    """

    def __init__(
        self,
        limits: Settings,
        contract_of: ContractOf,
        telemetry: Telemetry,
        once: Once | None = None,
    ) -> None:
        self._limits = limits
        self._keep = limits.records is not None
        self._contract_of = contract_of
        self._once = once
        self._tracing = telemetry.tracing
        self._count_invalid = telemetry.metrics.count_invalid
        self.lists: ListReader | None = None

    def by_columns(self) -> None:
        """Read long lists by columns from now on."""
        self.lists = ListReader()

    async def arrive(self, request: Request) -> None:
        """Wait until the body is complete, and keep it with the request for whoever reads it.

        Raises:
            ProblemError: it is refused by its head, too large, too slow or broken off; or nothing is served yet.
        """
        self._contract_of()
        request.scope[_ARRIVED] = await _read_body(request, self._limits)

    def one(self, request: Request) -> Awaitable[list[Queued]]:
        """The application of a request, or what is wrong with it."""
        return self._queued(request, self._read_one)

    def many(self, request: Request) -> Awaitable[list[Queued]]:
        """The rows of a request, or what is wrong with it as the only row."""
        return self._queued(request, self._read_many)

    async def rows(self, request: Request) -> list[Any]:
        """The list that a body is, of no more rows than a batch has, whatever stands in them.

        Raises:
            ProblemError: it is none.
        """
        body, content_type = await _read_body(request, self._limits)
        most = self._limits.max_batch_rows
        document = _decode(body, content_type, SPARE_MARKS * max(most, LEAST_ROWS))
        if not isinstance(document, list) or not 1 <= len(document) <= most:
            raise InvalidRequestError(f"the body must be a JSON list of 1 to {most} objects")
        return document

    async def _queued(self, request: Request, read: Callable[[Request], Awaitable[list[Item]]]) -> list[Queued]:
        if (span := self._tracing.current()) is not None:
            _note_span(span)
        items: list[Item]
        try:
            with self._tracing.span("validate"):
                key = idempotency_key(request.scope["headers"])
                if key is None or (again := await self._repeated(request, key)) is None:
                    items = await read(request)
                else:
                    items = [again]
        except ProblemError as problem:
            items = [problem.as_value()]
        now = perf_counter()
        return [Queued(item, now, span) for item in items]

    async def _repeated(self, request: Request, key: bytes) -> Repeated | None:
        exchange = current_exchange.get()
        if self._once is None or not self._once.started or exchange is None:
            raise NoIdempotencyError
        await self.arrive(request)
        body, _ = request.scope[_ARRIVED]
        return await repeated(self._once, exchange, key, (request.scope["query_string"], body))

    async def _read_one(self, request: Request) -> list[Item]:
        contract = self._contract_of()
        body, content_type = await _read_body(request, self._limits)
        document = _decode(body, content_type, _most_marks(contract, 1))
        _note_rows(1)
        if self._keep:
            _note_received([str(body, "utf-8")])
        try:
            return [contract.parse(document)]
        except InvalidApplicationError as exc:
            self._count(exc, contract)
            raise invalid(exc.errors) from None

    async def _read_many(self, request: Request) -> list[Item]:
        partial, contract = _partial(request), self._contract_of()
        body, content_type = await _read_body(request, self._limits)
        most = self._limits.max_batch_rows
        document = _decode(body, content_type, _most_marks(contract, most))
        if not isinstance(document, list):
            raise InvalidRequestError("the body must be a JSON list of applications; send one alone to /predict")
        if not 1 <= len(document) <= most:
            raise InvalidRequestError(f"the list holds {len(document)} applications; send 1 to {most}")
        _note_rows(len(document))
        if self._keep:
            _note_received(received(body, document))
        rows = RowByRow(contract, self._count, len(body), len(document), partial=partial)
        if self.lists is not None and len(document) >= LONG:
            return [await self.lists.read(rows, document)]
        return await self._short(rows, document)

    @staticmethod
    async def _short(rows: RowByRow, documents: Sequence[Any]) -> list[Item]:
        """Every row of a short list, bad ones of a partial batch as what is wrong with them."""
        items: list[Item] = []
        for row, document in enumerate(documents):
            if (application := rows.read(row, document)) is not None:
                items.append(application)
            elif row in rows.bad:
                items.append(rows.bad[row])
            if row % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
                await give_way()
        rows.end()
        return items

    def _count(self, exc: InvalidApplicationError, contract: Contract) -> None:
        for error in exc.errors:
            self._count_invalid(error.loc, error.type, contract.by_name)


def _partial(request: Request) -> bool:
    value = request.query_params.get("partial", "false")
    if value not in ("true", "false"):
        raise InvalidRequestError("the query parameter partial takes true or false")
    return value == "true"


def _declared(request: Request) -> tuple[str, bytes]:
    """The body's media type, which has to be declared once, and as JSON without an encoding; and its length.

    Raises:
        UnsupportedMediaTypeError: any header of either name says something else.
    """
    types: list[str] = []
    length = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            types.append(value.decode("latin-1"))
        elif name == b"content-length":
            length = length or value
        elif name == b"content-encoding" and value.strip().lower() not in (b"identity", b""):
            raise UnsupportedMediaTypeError("send the body as it is, without a Content-Encoding")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError
    return types[0], length


async def _read_body(request: Request, limits: Settings) -> tuple[bytes, str]:
    """The body and its media type, both within the limits."""
    if (arrived := request.scope.pop(_ARRIVED, None)) is not None:
        found: tuple[bytes, str] = arrived
        return found
    (content_type, length), limit = _declared(request), limits.max_body_bytes
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    body: bytes | bytearray = b""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedJSONError("the connection was closed before the body was complete")
        more = message.get("more_body", False)
        if not body:
            body = message.get("body", b"")  # mostly all comes at once, and is never copied
        else:
            if isinstance(body, bytes):
                body = bytearray(body)
            body += message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        if REFUSAL in request.scope:
            raise request.scope.pop(REFUSAL)  # in nothing but the raising, or its frames would hold it, and it them
    return bytes(body), content_type


def _most_marks(contract: Contract, rows: int) -> int:
    return (2 * len(contract.fields) + SPARE_MARKS) * max(rows, LEAST_ROWS)


def _decode(body: bytes, content_type: str, most: int) -> Any:
    # The parser makes everything in one go, and nothing else runs meanwhile; what it would make can be told beforehand.
    too_many = len(body) > most and len(body) - len(body.translate(None, MARKS)) > most
    try:
        if not too_many:
            return from_json(body)
        from_json(body[:most], allow_partial=True)  # it may be no JSON either
    except ValueError as exc:
        # The parser's message gives the problem and its position, and repeats nothing of the body.
        raise MalformedJSONError(refusal(body, exc, content_type)) from None
    raise InvalidRequestError(f"the body holds more than {most} commas, colons and opening brackets; send fewer values")


def too_large(limit: int) -> BodyTooLargeError:
    """What is said of a body over the limit."""
    return BodyTooLargeError(f"the body may hold {limit} bytes; send fewer applications a request")


def _note_span(span: SpanContext) -> None:
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.span = span  # before its decisions are kept, which name its trace


def _note_received(texts: Sequence[str]) -> None:
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.received = texts


def _note_rows(rows: int) -> None:
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.rows = rows
