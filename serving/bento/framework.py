"""Everything that leans on BentoML's inside, in one place; `tests/serving/test_framework.py` says when it has changed.

- the server's choice of HTTP parser, and how it listens,
- the descriptor base classes (only one of them is public),
- the model reference, which by itself ends the server where the store has no such entry,
- the service class, whose `to_asgi` is the only place outside all of BentoML's middlewares,
- the tracer provider, which is nowhere else to be had,
- the application factory, whose dispatchers must be trained before the service is ready,
- the dispatchers' optimizer, which would have a lone request wait for company long after a burst,
- how often they look whether a batch is done,
- the dispatchers themselves and the metrics of BentoML's middleware, for the scoring routes in `serving.http.direct`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from time import time
from typing import Any, TypeVar

import uvicorn.config
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.io_models import IODescriptor, IORootModel
from _bentoml_sdk.service.factory import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context
from bentoml._internal.marshal.dispatcher import Optimizer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import BentoModel
from starlette.applications import Starlette
from starlette.types import ASGIApp

from serving.bento.lifecycle import settle_heap
from serving.bento.listening import listen_with_several_handles
from serving.http.batches import Result, Row
from serving.http.direct import DirectRoute, Places
from serving.http.edge import Edge
from serving.settings import load_settings
from serving.telemetry.logs import service_log
from serving.telemetry.tally import Observer, Tally, carry_over, histogram

T = TypeVar("T")

__all__ = ["AppFactory", "CreditRiskService", "IODescriptor", "IORootModel", "StoreEntry", "tracer_provider"]

uvicorn.config.HTTP_PROTOCOLS["auto"] = "serving.bento.protocol:HTTPProtocol"
listen_with_several_handles()

WARM_UP_CALLS = 24
"""The dispatcher trains on its first 17 calls, some of which it delays on purpose."""


class StoreEntry(BentoModel):
    """The latest version of a store entry, pinned when a Bento is built; it may be missing while serving.

    BentoML would then ask its cloud for it and end. Here the service starts, and says why it isn't ready.
    """

    def resolve(self, *_: Any, **__: Any) -> Any:
        """The entry in the local store, or None where there is none or it is damaged."""
        try:
            return self.stored
        except Exception:  # noqa: BLE001  # whatever half a file makes BentoML raise; `serving.store` says what is wrong
            return None

    def to_info(self, alias: str | None = None) -> Any:
        """What a Bento records of the entry.

        Raises:
            NotFound: neither the local store nor BentoML's cloud, where one is configured, has it.
        """
        try:
            return super().to_info(alias)
        except BentoMLException as exc:
            home = BentoMLContainer.bentoml_home.get()
            raise NotFound(
                f"{self.tag} is not in the model store of BENTOML_HOME={home}: run import_model.py with the same "
                "BENTOML_HOME, then build again"
            ) from exc


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


class BentoTraffic:
    """BentoML's own counts of the requests of one route."""

    def __init__(self, metrics: RunnerTrafficMetricsMiddleware, route: str) -> None:
        self._metrics = metrics
        self._labels = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        self._route = route
        self._last_request = metrics.metrics_last_request_timestamp.labels(**self._labels)
        self._in_progress = Tally(metrics.metrics_request_in_progress.labels(endpoint=route, **self._labels))
        self._answered: dict[int, tuple[Tally, Observer]] = {}
        self._last: float | None = None
        carry_over(self._carry)

    def started(self) -> None:
        """One more is in progress."""
        self._last = time()
        self._in_progress.add()

    def finished(self, status: int, seconds: float) -> None:
        """It has been answered."""
        self._in_progress.add(-1)
        if (tallies := self._answered.get(status)) is None:
            labels = self._labels | {"endpoint": self._route, "http_response_code": str(status)}
            tallies = self._answered[status] = (
                Tally(self._metrics.metrics_request_total.labels(**labels)),
                histogram(self._metrics.metrics_request_duration.labels(**labels)),
            )
        total, duration = tallies
        total.add()
        duration.observe(seconds)

    def _carry(self) -> None:
        if self._last is not None:
            self._last_request.set(self._last)
            self._last = None


class AppFactory(ServiceAppFactory):
    """BentoML's application, its dispatchers eager, and trained before the first request.

    Attributes:
        direct: the routes that need nothing more of the application once it has started.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.direct: dict[str, ASGIApp] = {}
        for name, dispatcher in self.dispatchers.items():
            dispatcher.optimizer = EagerOptimizer(dispatcher.max_latency)
            if name not in getattr(self.service.inner, "in_threads", ()):
                # While a batch is worked off, its dispatcher looks every millisecond whether that is done. On the event
                # loop it is done at the loop's next turn.
                dispatcher.TICKET_INTERVAL = 0.0

    async def create_instance(self, app: Starlette) -> None:
        """Make the service instance, then let each dispatcher learn on the instance's own warm-up items."""
        await super().create_instance(app)
        instance = self._service_instance
        items = instance.warm_up_items()

        async def call(batches: Sequence[list[Any]]) -> list[list[Any]]:
            return [await instance.warm_up(batch) for batch in batches]

        for dispatcher in self.dispatchers.values():
            # Called past batch_infer() and the API methods, so that metrics hold requests only.
            for i in range(WARM_UP_CALLS if items else 0):
                await dispatcher(call)([items[i % len(items)]])
        try:
            self.direct.update(self._direct_routes(app))
        except Exception as exc:  # noqa: BLE001  # BentoML has changed; its own stack gives the same answers, slower
            service_log.warning("serving through BentoML's own stack", extra={"data": {"reason": type(exc).__name__}})
        settle_heap()

    def _direct_routes(self, app: Starlette) -> dict[str, DirectRoute]:
        traffic = _traffic_metrics(app)
        places = Places(self.max_concurrency)
        routes = {}
        for name, dispatcher in self.dispatchers.items():
            method = self.service.apis[name]
            dispatcher.get_batch_size = len
            batch_size = self.adaptive_batch_size_hist.labels(
                runner_name=self.service.name,
                worker_index=server_context.worker_index,
                method_name=name,
                service_version=server_context.bento_version,
                service_name=server_context.bento_name,
            )
            routes[method.route] = DirectRoute(
                method.route,
                method.input_spec.from_http_request,
                dispatcher(_merged(getattr(self._service_instance, name).local, histogram(batch_size).observe)),
                method.output_spec.to_http_response,
                places,
                self.timeout,
                BentoTraffic(traffic, method.route),
            )
        return routes


def _traffic_metrics(app: Starlette) -> RunnerTrafficMetricsMiddleware:
    """The middleware that holds BentoML's metrics; a second one would register them twice."""
    layer: Any = app.middleware_stack
    while not isinstance(layer, RunnerTrafficMetricsMiddleware):
        layer = layer.app
    if not layer._is_setup:  # noqa: SLF001  # it makes its metrics at its first request
        layer._setup()  # noqa: SLF001  # the same
    return layer


def _merged(
    method: Callable[[list[Row]], Awaitable[list[Result]]], observe: Callable[[float], None]
) -> Callable[[Sequence[list[Row]]], Awaitable[list[list[Result]]]]:
    """What a dispatcher calls: the rows of many requests through a batchable method at once, and back in order."""

    async def infer(batches: Sequence[list[Row]]) -> list[list[Result]]:
        observe(len(batches))
        results = iter(await method([row for batch in batches for row in batch]))
        return [list(islice(results, len(batch))) for batch in batches]

    return infer


class CreditRiskService(Service[T]):
    """A BentoML service behind this project's edge."""

    def to_asgi(self, is_main: bool = True) -> Edge:
        """The application that the server runs, the edge outermost."""
        self.inject_config()
        factory = AppFactory(self, is_main=is_main)
        return Edge(factory(), factory.direct, load_settings())
