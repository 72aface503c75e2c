"""BentoML's own metrics of requests, counted for the routes that go past its middlewares."""

from __future__ import annotations

from time import time
from typing import Any

from bentoml._internal.context import server_context
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from starlette.applications import Starlette

from serving.telemetry.tally import Observer, Tallies, Tally


class BentoTraffic:
    """BentoML's own counts of the requests of one route."""

    def __init__(self, metrics: RunnerTrafficMetricsMiddleware, tallies: Tallies, route: str) -> None:
        self._metrics = metrics
        self._tallies = tallies
        self._labels = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        self._route = route
        self._last_request = metrics.metrics_last_request_timestamp.labels(**self._labels)
        self._in_progress = tallies.tally(metrics.metrics_request_in_progress.labels(endpoint=route, **self._labels))
        self._answered: dict[int, tuple[Tally, Observer]] = {}
        self._last: float | None = None
        tallies.carry_over(self._carry)

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
                self._tallies.tally(self._metrics.metrics_request_total.labels(**labels)),
                self._tallies.histogram(self._metrics.metrics_request_duration.labels(**labels)),
            )
        total, duration = tallies
        total.add()
        duration.observe(seconds)

    def _carry(self) -> None:
        if self._last is not None:
            self._last_request.set(self._last)
            self._last = None


def traffic_metrics(app: Starlette) -> RunnerTrafficMetricsMiddleware:
    """The middleware that holds BentoML's metrics; a second one would register them twice."""
    layer: Any
    app.middleware_stack = layer = app.build_middleware_stack()
    while not isinstance(layer, RunnerTrafficMetricsMiddleware):
        layer = layer.app
    if not layer._is_setup:  # noqa: SLF001  # it makes its metrics at its first request
        layer._setup()  # noqa: SLF001  # the same
    return layer
