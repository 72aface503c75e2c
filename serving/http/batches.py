"""A merged batch of many requests' rows, answered row by row: no row's fault reaches its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from opentelemetry.trace import SpanContext

from engine import Assessment
from preprocessing.application import Application, InvalidApplicationError
from serving.http.idempotency import Repeated
from serving.http.problems import InternalError, ProblemError
from serving.telemetry.exchange import current_exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

ROWS_BETWEEN_YIELDS = 25
"""Rows read or recorded before other requests get their turn on the event loop: some 2 ms of work at most."""

Item = Application | InvalidApplicationError | ProblemError | Repeated
"""What goes into a batch: an application, a bad row of a partial batch, or what is wrong with a whole request, or was
its answer before."""

Result = Assessment | InvalidApplicationError | ProblemError | Repeated
"""What comes out of a batch, in the same order."""

SETTLED = (ProblemError, Repeated)
"""What is a whole request's result as it stands."""


class Queued(NamedTuple):
    """An item on its way into a batch.

    Attributes:
        item: what to answer.
        read: `perf_counter()` when its request had been read, seconds.
        span: its request's span, where tracing is on.
    """

    item: Item
    read: float
    span: SpanContext | None = None


Work = Callable[[Sequence[Application]], Awaitable[list[Assessment]]]
"""Assesses applications in order, or raises a ProblemError that holds for all of them."""


async def answer_batch(
    telemetry: Telemetry, route: str, queued: Sequence[Queued], work: Work, chunk: int
) -> list[Result]:
    """Answer a merged batch, and measure it; see `answer`.

    Args:
        telemetry: measures it.
        route: template of the route, a metric's label.
        queued: the rows of all requests merged into this batch.
        work: assesses the applications of a chunk.
        chunk: most applications in one call of `work`.
    """
    # A batch runs in the context of the first of its requests; what it logs belongs to none of them alone.
    current_exchange.set(None)
    now = perf_counter()
    waits = [now - read for read in dict.fromkeys(each.read for each in queued)]
    telemetry.metrics.count_batch(route, len(queued), waits)
    with telemetry.tracing.batch_span((each.span for each in queued), len(queued)):
        return await answer([each.item for each in queued], work, chunk)


async def answer(items: Sequence[Item], work: Work, chunk: int) -> list[Result]:
    """Put every application through `work`, in chunks between which other requests get their turn.

    Args:
        items: the rows of all requests merged into this batch.
        work: assesses the applications of a chunk.
        chunk: most applications in one call of `work`.
    """
    results: list[Result] = []
    for start in range(0, len(items), chunk):
        if start:
            await asyncio.sleep(0)
        part = items[start : start + chunk]
        applications = [item for item in part if not isinstance(item, Exception)]
        assessed = iter(await _assess(applications, work))
        results += [item if isinstance(item, Exception) else next(assessed) for item in part]
    return results


async def _assess(applications: list[Application], work: Work) -> Sequence[Result]:
    if not applications:
        return []
    try:
        return await work(applications)
    except ProblemError as problem:
        return [problem for _ in applications]
    except Exception:  # noqa: BLE001  # whatever it is, it must not reach the neighbours
        service_log.exception("assessing failed")
        if len(applications) == 1:
            return [InternalError()]
        return [result for application in applications for result in await _assess([application], work)]
