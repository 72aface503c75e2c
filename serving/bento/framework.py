"""What leans on BentoML's server, in one place; `tests/serving/test_framework.py` says when that has changed.

- the tracer provider, which is nowhere else to be had,
- the application factory, whose dispatchers must be trained before the service is ready,
- the dispatchers' optimizer, which would have a lone request wait for company long after a burst,
- how often they look whether a batch is done,
- their way in: their queue, what wakes them, and how they begin a batch,
- the dispatchers themselves, for the scoring routes in `serving.http.direct`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from itertools import islice
from types import coroutine
from typing import Any, Protocol

import bentoml
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.service.factory import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context
from bentoml._internal.marshal import dispatcher as dispatching
from bentoml._internal.marshal.dispatcher import Job, Optimizer
from bentoml.exceptions import ServiceUnavailable
from starlette.applications import Starlette
from starlette.types import ASGIApp

from serving.access.access import Access
from serving.bento.lifecycle import loading, settle_heap
from serving.bento.traffic import BentoTraffic, traffic_metrics
from serving.bento.versions import TESTED
from serving.http.batches import Item, Queued, Result, size
from serving.http.bodies import Bodies
from serving.http.direct import DirectRoute, Places
from serving.http.edge import Edge
from serving.http.inside import Inside
from serving.http.responses import Responses
from serving.routes import DESK, PREDICT_BATCH, PREDICT_EXPLAIN
from serving.settings import Settings
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

Infer = Callable[[Sequence[list[Queued]]], Awaitable[list[list[Result]]]]
"""What a dispatcher calls with the rows of many requests."""

WARM_UP_CALLS = 12
"""The dispatcher trains on its first 11 calls, some of which it delays on purpose. One more goes as others will."""

TURNS_WITH_COMPANY = 3
"""Turns of the event loop that the first of a batch leaves to others where the batch before held more than one: with
one of them 32 connections filled batches of 12, with two of 22, with three of 30."""


class Assembled(Protocol):
    """What answers in a process.

    Attributes:
        settings: limits, and whose pages may read the answers.
        telemetry: counts and logs its requests.
        access: who may do what.
        bodies: waits for the scoring routes' requests.
        responses: writes their answers.
        inside: asks the scoring routes from inside of the service.
        desk: the page for people, where there is one.
        routes: every route that is no API's, if there are any.
    """

    settings: Settings
    telemetry: Telemetry
    access: Access
    bodies: Bodies
    responses: Responses
    inside: Inside

    @property
    def desk(self) -> ASGIApp | None:
        """See above."""

    @property
    def routes(self) -> ASGIApp | None:
        """See above."""


class Hosted(Protocol):
    """What a service is to have besides its APIs.

    Attributes:
        in_threads: the APIs whose batches are not worked off on the event loop.
    """

    in_threads: frozenset[str]

    @classmethod
    def assemble(cls) -> Assembled:
        """Put together what answers; the same each time."""

    def warm_up_items(self) -> Sequence[Item]:
        """What to train the batchers on before the first request; nothing where nothing can be answered."""

    async def warm_up(self, items: list[Item]) -> list[Result]:
        """Answer, outside of all metrics."""


def tracer_provider() -> Any:
    """BentoML's own tracer provider, which it never makes the global one."""
    return BentoMLContainer.tracer_provider.get()


class EagerOptimizer(Optimizer):
    """Learns how long batches take, which the latency objective needs, but has no request wait for company.

    BentoML's own makes a lone request wait almost as long as requests had to wait lately, and forgets 5 % of that
    every few seconds: minutes after a burst each lone request would still take tens of milliseconds more. Requests
    that arrive while a batch is being scored are merged in either case.
    """

    @property  # type: ignore[override]  # theirs is inferred from its first value, the integer 0
    def wait(self) -> float:
        """Seconds that a request is held back for."""
        return 0.0

    @wait.setter
    def wait(self, _: float) -> None:
        """Learnt, and not used."""


def _letting_go(outbound_call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """A dispatcher's work on a batch, after which its rows are not kept.

    The dispatcher remembers its last batch until the next one, and what is left of a burst keeps all the memory from
    being given back that it lies in. The results are let go of by whoever has asked for them.
    """

    async def work_off(jobs: Sequence[Job[Any, Any]], **options: Any) -> None:
        try:
            await outbound_call(jobs, **options)
        finally:
            for job in jobs:
                job.data = None

    return work_off


def _begin(work: Coroutine[Any, Any, None]) -> None:
    """Take the first step of some work at once; what it isn't done with by then goes on in a task of its own.

    Whoever begins it may be cancelled, and its context is its own.
    """
    context = copy_context()
    try:
        awaited = context.run(work.send, None)
    except StopIteration:
        return
    asyncio.get_running_loop().create_task(_go_on(work, awaited), context=context)


async def _go_on(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    """The rest of some work, which waits for something; a coroutine proper, or Python 3.12 makes no task of it."""
    await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    while True:
        try:
            yield awaited
        except BaseException as exc:  # noqa: BLE001  # it is the work's to deal with, a cancellation too
            step = partial(work.throw, exc)
        else:
            step = partial(work.send, None)
        try:
            awaited = step()
        except StopIteration:
            return


def _way_in(dispatcher: Any, *, at_once: bool) -> Callable[[Any], Awaitable[Any]]:
    """A dispatcher's way in, by which only the first of those that wait does anything about it.

    That one first lets the event loop take a turn, or some more where the batch before held others: as soon as that is
    answered its clients ask again, and what is read in one turn waits here only in the next. Then it works them all
    off, sooner than the dispatcher would be awake.

    It does wake the dispatcher, which sleeps while nobody waits, for what comes while a batch is worked off, waits for
    too long, or is too much; and if its time is over in that very turn: nobody else would ever, since its job stays in
    the queue.

    Args:
        dispatcher: trained.
        at_once: whether the first may begin; else it only wakes the dispatcher, in whose tasks whatever waits for
            threads may do so, anyio too, which minds in which task it was begun.
    """
    had_company = False

    def is_due() -> bool:
        waiting = len(queue)
        if not waiting or dispatcher._sema.is_locked():  # noqa: SLF001  # as the controller that this is in place of
            return False
        learnt = dispatcher.optimizer
        latency = time() - queue[0].enqueue_time + learnt.o_a * waiting + learnt.o_b
        return waiting == 1 or latency < dispatcher.max_latency

    async def inbound_call(data: Any) -> Any:
        nonlocal had_company
        future = asyncio.get_running_loop().create_future()
        queue.append(Job(time(), data, future))
        if len(queue) == 1:
            try:
                for _ in range(TURNS_WITH_COMPANY if had_company else 1):
                    await asyncio.sleep(0)
                if at_once and is_due():
                    dispatcher._sema.acquire()  # noqa: SLF001  # the same
                    jobs = tuple(dispatcher._get_inputs())  # noqa: SLF001  # the same
                    had_company = len(jobs) > 1
                    _begin(dispatcher.outbound_call(jobs))
            finally:  # also where the request is given up meanwhile: those behind it wake nobody
                if queue:
                    async with woken:
                        woken.notify_all()
        return await future

    queue, woken = dispatcher._queue, dispatcher._wake_event  # noqa: SLF001  # the same
    time: Callable[[], float] = vars(dispatching)["time"].time  # the dispatchers' own clock: see serving.bento.clock
    return inbound_call


class AppFactory(ServiceAppFactory):
    """BentoML's application, its dispatchers eager, and trained before the first request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosted: type[Hosted] = self.service.inner
        self._infer: dict[str, Infer] = {}
        for name, dispatcher in self.dispatchers.items():
            dispatcher.optimizer = EagerOptimizer(dispatcher.max_latency)
            dispatcher.get_batch_size = len
            dispatcher.outbound_call = _letting_go(dispatcher.outbound_call)
            if name not in self._hosted.in_threads:
                # While a batch is worked off, its dispatcher looks every millisecond whether that is done. On the event
                # loop it is done at the loop's next turn.
                dispatcher.TICKET_INTERVAL = 0.0

    async def create_instance(self, app: Starlette) -> None:
        """Make the service instance, then let each dispatcher learn on the instance's own warm-up items."""
        with loading():
            await super().create_instance(app)
        instance: Hosted = self._service_instance
        items = instance.warm_up_items()

        async def call(batches: Sequence[list[Item]]) -> list[list[Result]]:
            return [await instance.warm_up(batch) for batch in batches]

        async def train(dispatcher: Any) -> None:
            # Called past batch_infer() and the API methods, so that metrics hold requests only.
            for i in range(WARM_UP_CALLS if items else 0):
                await dispatcher(call)([items[i % len(items)]])

        await asyncio.gather(*map(train, self.dispatchers.values()))
        for name, dispatcher in self.dispatchers.items():
            dispatcher.inbound_call = _way_in(dispatcher, at_once=name not in self._hosted.in_threads)
        for name, infer in self._infer.items():
            self.dispatchers[name](infer)  # it calls what it was given last
            if self.service.apis[name].route == PREDICT_BATCH.path:
                self.dispatchers[name].get_batch_size = size  # a long list is one item of many rows
        settle_heap()

    def direct_routes(self, app: Starlette, parts: Assembled) -> dict[str, DirectRoute]:
        """The scoring routes, which need nothing more of the application once it has started."""
        telemetry = parts.telemetry
        metrics, places = traffic_metrics(app), self._places(parts.settings)
        routes = {}
        for name, dispatcher in self.dispatchers.items():
            method = self.service.apis[name]
            batch_size = self.adaptive_batch_size_hist.labels(
                runner_name=self.service.name,
                worker_index=server_context.worker_index,
                method_name=name,
                service_version=server_context.bento_version,
                service_name=server_context.bento_name,
            )
            self._infer[name] = self._merged(method.func, telemetry.tallies.histogram(batch_size).observe)
            routes[method.route] = DirectRoute(
                route=method.route,
                arrive=parts.bodies.arrive,
                read=method.input_spec.from_http_request,
                infer=dispatcher(self._infer[name]),
                write=method.output_spec.to_http_response,
                places=places,
                timeout=self.timeout,
                shed=ServiceUnavailable,
                traffic=BentoTraffic(metrics, telemetry.tallies, method.route),
                tracing=telemetry.tracing,
            )
        if parts.desk is not None:
            traffic = BentoTraffic(metrics, telemetry.tallies, DESK.path)
            filed = replace(routes[PREDICT_EXPLAIN.path], route=DESK.path, traffic=traffic)
            many = replace(routes[PREDICT_BATCH.path], route=DESK.path, traffic=traffic)
            parts.inside.connect(filed, replace(filed, write=parts.responses.unfiled), many)
        return routes

    def _places(self, settings: Settings) -> Places:
        per_caller = settings.max_concurrency_per_caller
        # As BentoML splits the limit of all.
        return Places(self.max_concurrency, per_caller and math.ceil(per_caller / settings.workers))

    def _merged(
        self, method: Callable[[Any, list[Queued]], Awaitable[list[Result]]], observe: Callable[[float], None]
    ) -> Infer:
        """What a dispatcher calls: the rows of many requests through a batchable method at once, and back in order."""

        async def infer(batches: Sequence[list[Queued]]) -> list[list[Result]]:
            observe(len(batches))
            results = iter(await method(self._service_instance, [row for batch in batches for row in batch]))
            return [list(islice(results, len(batch))) for batch in batches]

        return infer


def application(service: Service[Hosted], *, is_main: bool) -> Edge:
    """What the server runs, the edge outermost.

    Raises:
        SystemExit: BentoML has changed inside, so that the scoring routes can't be made; the log says so.
    """
    parts = service.inner.assemble()
    service.inject_config()
    if parts.routes is not None:
        service.mount_asgi_app(parts.routes, path="/")
    factory = AppFactory(service, is_main=is_main)
    app = factory()
    try:
        direct = factory.direct_routes(app, parts)
    except Exception as exc:
        service_log.critical(
            "not started: BentoML %s has changed inside; install one that this service was tested with: %s",
            bentoml.__version__,
            ", ".join(TESTED),
            exc_info=exc,
        )
        raise SystemExit(1) from exc
    edge = Edge(app, direct, parts.settings, parts.telemetry, parts.access)
    edge.desk = parts.desk
    return edge
