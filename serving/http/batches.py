"""A merged batch of many requests' rows, answered row by row: no row's fault reaches its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from opentelemetry.trace import SpanContext

from engine import Assessment
from preprocessing.application import Application, InvalidApplicationError
from serving.http.idempotency import Repeated
from serving.http.listed import AnsweredList, Listed
from serving.http.problems import InternalError, ProblemError
from serving.telemetry.exchange import current_exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

Item = Application | InvalidApplicationError | ProblemError | Repeated | Listed
"""What goes into a batch: an application, a bad row of a partial batch, or what is wrong with a whole request, or was
its answer before; or a long list as a whole."""

Result = Assessment | InvalidApplicationError | ProblemError | Repeated | AnsweredList
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

AnswerList = Callable[[Listed], Awaitable[AnsweredList]]
"""Answers a long list."""


def size(queued: Iterable[Queued]) -> int:
    """How many applications these are."""
    return sum(each.item.size if isinstance(each.item, Listed) else 1 for each in queued)


async def answer_batch(  # noqa: PLR0913, PLR0917  # those of `answer`, and what measures it
    telemetry: Telemetry,
    route: str,
    queued: Sequence[Queued],
    work: Work,
    chunk: int,
    answer_list: AnswerList | None = None,
) -> list[Result]:
    """Answer a merged batch, and measure it; see `answer`.

    Args:
        telemetry: measures it.
        route: template of the route, a metric's label.
        queued: the rows of all requests merged into this batch.
        work: assesses the applications of a chunk.
        chunk: most applications in one call of `work`.
        answer_list: as in `answer`.
    """
    # A batch runs in the context of the first of its requests; what it logs belongs to none of them alone.
    current_exchange.set(None)
    now = perf_counter()
    rows = len(queued) if answer_list is None else size(queued)
    waits = [now - read for read in dict.fromkeys(each.read for each in queued)]
    telemetry.metrics.count_batch(route, rows, waits)
    with telemetry.tracing.batch_span((each.span for each in queued), rows):
        return await answer([each.item for each in queued], work, chunk, answer_list)


async def answer(items: Sequence[Item], work: Work, chunk: int, answer_list: AnswerList | None = None) -> list[Result]:
    """Put every application through `work`, in chunks between which other requests get their turn.

    Args:
        items: the rows of all requests merged into this batch.
        work: assesses the applications of a chunk.
        chunk: most applications in one call of `work`.
        answer_list: what long lists among the items are put through; None where there are none.
    """
    results: list[Result] = []
    for start, end in _parts(items, chunk):
        if start:
            await asyncio.sleep(0)
        first = items[start]
        if isinstance(first, Listed):
            assert answer_list is not None
            results.append(await _answered(first, answer_list))
            continue
        part = items[start:end]
        applications = [item for item in part if not isinstance(item, Exception)]
        assessed = await _assess(applications, work)
        if len(assessed) < len(part):
            each = iter(assessed)
            assessed = [item if isinstance(item, Exception) else next(each) for item in part]
        results += assessed
    return results


def _parts(items: Sequence[Item], chunk: int) -> Iterator[tuple[int, int]]:
    """Where the parts of a batch begin and end: chunks of rows, and long lists by themselves."""
    start = 0
    for place in [i for i, item in enumerate(items) if isinstance(item, Listed)]:
        yield from ((at, min(at + chunk, place)) for at in range(start, place, chunk))
        yield place, place + 1
        start = place + 1
    yield from ((at, at + chunk) for at in range(start, len(items), chunk))


async def _answered(listed: Listed, answer_list: AnswerList) -> Result:
    try:
        return await answer_list(listed)
    except ProblemError as problem:
        return problem
    except Exception:  # noqa: BLE001  # whatever it is, it must not reach the neighbours
        service_log.exception("assessing failed")
        return InternalError()


async def _assess(applications: list[Any], work: Work) -> Sequence[Result]:
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
