"""What leans on BentoML's server, in one place; `tests/serving/test_framework.py` says when that has changed.

- the tracer provider, which is nowhere else to be had,
- the application factory, whose dispatchers must be trained before the service is ready,
- the dispatchers, for the scoring routes in `serving.http.direct`; what they do otherwise is in
  `serving.bento.dispatching`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import bentoml
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.service.factory import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context
from bentoml.exceptions import ServiceUnavailable
from starlette.applications import Starlette
from starlette.types import ASGIApp

from serving.access.access import Access
from serving.bento.dispatching import make_eager, open_way_in
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


class AppFactory(ServiceAppFactory):
    """BentoML's application, its dispatchers eager, and trained before the first request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosted: type[Hosted] = self.service.inner
        self._infer: dict[str, Infer] = {}
        for name, dispatcher in self.dispatchers.items():
            dispatcher.get_batch_size = len
            make_eager(dispatcher, in_threads=name in self._hosted.in_threads)

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
        for dispatcher in self.dispatchers.values():
            open_way_in(dispatcher)
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
