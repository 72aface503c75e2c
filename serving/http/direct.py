"""The scoring routes without the framework around them: limits, reading, batching, writing, and nothing else.

BentoML takes every request through six middlewares, a router, and an endpoint that finds out anew what was settled when
the service was defined; together they cost more than the decision. Here the same steps are taken with the same
descriptors, dispatchers and metrics, each prepared once. `serving.bento.framework` puts them together.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from opentelemetry.trace import StatusCode
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.access.callers import address
from serving.http.batches import SETTLED, Queued, Result
from serving.http.problems import OverloadedError, ProblemError, RequestTimeoutError, TooManyRequestsError
from serving.settings import share_of_one
from serving.telemetry.exchange import known_caller, request_id
from serving.telemetry.tracing import Tracing

REFUSAL_SECONDS = 0.25
"""How long a request waits for its 429 at least. Under overload, callers that come again at once would otherwise have
the service spend most of its time on refusing them, at the cost of those whom it has accepted. BentoML's gauge of
requests in progress includes those that wait so."""

REFUSALS_A_SECOND = 1000
"""Where there are more, they wait longer, one after the other: callers that were refused together, and told so
together, would come again together, and whom the service has accepted would wait for all of them to be read."""

MOST_REFUSAL_SECONDS = 2.0


class Traffic(Protocol):
    """Counts the requests of one route."""

    def started(self) -> None:
        """One more is in progress."""

    def finished(self, status: int, seconds: float) -> None:
        """It has been answered."""


class Places:
    """How many requests may be in progress at once, over all routes.

    Args:
        number: of places; None for as many as come.
        per_caller: most that one caller may have, by name or else by address; None for the usual share.
    """

    def __init__(self, number: int | None, per_caller: int | None = None) -> None:
        self.free = number
        self._refused_at = -math.inf
        self._most = per_caller if per_caller is not None or number is None else share_of_one(number)
        self._taken: dict[str, int] = {}

    def take(self, caller: str) -> bool:
        """Take a place, if there is one for this caller."""
        taken = self._taken.get(caller, 0)
        if (self._most is not None and taken >= self._most) or (self.free is not None and self.free <= 0):
            return False
        self._taken[caller] = taken + 1
        if self.free is not None:
            self.free -= 1
        return True

    def refusal_seconds(self, now: float) -> float:
        """How long a request that gets no place waits for its 429, by the event loop's time."""
        at = max(now + REFUSAL_SECONDS, self._refused_at + 1 / REFUSALS_A_SECOND)
        self._refused_at = min(at, now + MOST_REFUSAL_SECONDS)
        return self._refused_at - now

    def give_back(self, caller: str) -> None:
        """Give a place back."""
        if self._taken[caller] == 1:
            del self._taken[caller]
        else:
            self._taken[caller] -= 1
        if self.free is not None:
            self.free += 1


class TimeLimit:
    """`asyncio.timeout` at a third of its cost, since it is never moved.

    Attributes:
        expired: whether it is over.
    """

    __slots__ = ("_cancelling", "_seconds", "_task", "_timer", "expired")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> Self:
        """Begin, in a task."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._timer = (
            None if self._seconds is None else asyncio.get_running_loop().call_later(self._seconds, self._expire)
        )
        return self

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what cancels the task besides goes on.

        Raises:
            TimeoutError: the time was over, and the block has been cancelled.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from exc


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """An ASGI application that answers one scoring route.

    Attributes:
        route: its template, for the span's name.
        arrive: waits for the complete body, or raises a ProblemError. A request has no place until then, or slow ones
            would have them all.
        read: a request's rows.
        infer: their results, batched with other requests' rows.
        write: the response.
        places: shared by all scoring routes.
        timeout: longest time from the complete body to the response, seconds.
        shed: what `infer` raises for a request that it sheds.
        traffic: counts the route's requests.
        tracing: makes the request's span.
    """

    route: str
    arrive: Callable[[Request], Awaitable[None]]
    read: Callable[[Request, Any], Awaitable[list[Queued]]]
    infer: Callable[[list[Queued]], Awaitable[list[Result]]]
    write: Callable[[list[Result], Any], Awaitable[Response]]
    places: Places
    timeout: float | None
    shed: type[Exception]
    traffic: Traffic
    tracing: Tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = asyncio.get_running_loop().time()
        status = 500
        with self.tracing.request_span(self.route, scope) as span:
            self.traffic.started()
            try:
                response = await self._respond(Request(scope, receive, send))
                status = response.status_code
                await response(scope, receive, send)
            finally:
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
                self.traffic.finished(status, asyncio.get_running_loop().time() - started)

    async def _respond(self, request: Request) -> Response:
        try:
            await self.arrive(request)
        except ProblemError as problem:
            return problem.response(request_id())
        caller = known_caller() or address(request.scope)
        if not self.places.take(caller):
            await asyncio.sleep(self.places.refusal_seconds(asyncio.get_running_loop().time()))
            return TooManyRequestsError().response(request_id())
        try:
            with TimeLimit(self.timeout) as limit:
                rows = await self.read(request, None)
                # What is settled waits for no batch: neither an answer that there is, nor a refusal.
                if len(rows) == 1 and isinstance(item := rows[0].item, SETTLED):
                    results: list[Result] = [item]
                else:
                    results = await self.infer(rows)
                response = await self.write(results, None)
                results.clear()  # the dispatcher remembers the list until its next batch
                return response
        except (TimeoutError, self.shed):
            # A dispatcher tells of a cancelled wait as of a shed one, so the exception alone doesn't say which it was.
            return (RequestTimeoutError if limit.expired else OverloadedError)().response(request_id())
        finally:
            self.places.give_back(caller)
