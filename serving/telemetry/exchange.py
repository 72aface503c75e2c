"""What is known of the request in progress, from the edge inwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from opentelemetry.trace import SpanContext


class Claim(Protocol):
    """A hold on an idempotency key.

    Attributes:
        key: as the caller sent it.
    """

    key: str

    def over(self) -> None:
        """The request has been answered, or given up."""


@dataclass(slots=True)
class Exchange:
    """One request and its response.

    Attributes:
        request_id: the caller's, or a new one.
        method: HTTP method.
        route: template of the route, "unknown" where there is none: never the raw path.
        started: `perf_counter()` at arrival, seconds.
        rows: applications in the body, once it is read.
        span: the request's span, where tracing is on.
        received: its applications as they came, where they are to be kept.
        caller: whose credential was sent, where access is not open.
        key: the id of that credential, where it is an API key.
        refused: why access was refused, for the operator; the caller isn't told.
        claim: its hold on its idempotency key, where it sent one.
        afterwards: what is to be done once the response has left; it returns at once, and does not fail.
    """

    request_id: str
    method: str
    route: str
    started: float = field(default_factory=perf_counter)
    rows: int | None = None
    span: SpanContext | None = None
    received: Sequence[str] = ()
    caller: str | None = None
    key: str | None = None
    refused: str | None = None
    claim: Claim | None = None
    afterwards: Callable[[], None] | None = None


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)
"""The request that the running task serves. Not to be read in a batchable method: that runs in the first request's
context for all the requests merged into its batch."""


def known_caller() -> str | None:
    """Whose credential came with the current request; None where access is open, and outside a request."""
    exchange = current_exchange.get()
    return exchange.caller if exchange is not None else None


def request_id() -> str:
    """The current request's id, or an empty string outside a request."""
    exchange = current_exchange.get()
    return exchange.request_id if exchange is not None else ""
