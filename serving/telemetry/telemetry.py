"""All that watches the service, made once in a process and handed to whoever counts, logs or makes spans."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

from serving.telemetry.callers import CallerMetrics
from serving.telemetry.drift import Drift
from serving.telemetry.logs import Logs
from serving.telemetry.metric_files import shared_metric_files
from serving.telemetry.metrics import Metrics
from serving.telemetry.tally import Tallies
from serving.telemetry.tracing import Tracing
from serving.telemetry.upkeep import Upkeep


class Sample(NamedTuple):
    """One series as it is now, over all workers.

    Attributes:
        name: of the sample, such as credit_risk_decisions_total.
        labels: of the series.
        value: since the start, or at present.
    """

    name: str
    labels: Mapping[str, str]
    value: float


class Telemetry:
    """Logs, metrics and traces.

    Args:
        registry: where the metrics are registered; it takes them once.
        logs: those that are configured already, where there are any.

    Attributes:
        tallies: counts on their way to the metrics, BentoML's among them.
        metrics: this service's own.
        callers: who comes, and who is refused.
        drift: where applications fall in the training distribution.
        tracing: off until it is started.
        logs: silent until they are configured.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, logs: Logs | None = None) -> None:
        self._files = shared_metric_files()
        self._registry = registry
        self.tallies = Tallies()
        self.metrics = Metrics(self.tallies, registry)
        self.callers = CallerMetrics(self.tallies, registry)
        self.drift = Drift(self.tallies, registry)
        self.logs = logs or Logs(Tracing())
        self.logs.count_dropped = self.metrics.dropped_log_lines.inc
        self.tracing = self.logs.tracing

    def samples(self) -> list[Sample]:
        """This service's own series, as /metrics has them."""
        self.tallies.flush()
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return [
            Sample(sample.name, sample.labels, sample.value)
            for family in registry.collect()
            if family.name.startswith("credit_risk_")
            for sample in family.samples
        ]

    def upkeep(self, is_ready: Callable[[], bool], observe: Callable[[], None]) -> Upkeep:
        """What is to be done once a second, begun; to be called from the event loop's thread."""
        return Upkeep(self.tallies, self.metrics, self._files, is_ready, observe)
