"""The Bento service: routes and wiring. What they do is in preprocessing/, scoring/, decision/ and serving/."""

from __future__ import annotations

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # no usage statistics leave a lender's machine

from collections.abc import Sequence

import anyio.to_thread
import bentoml

from decision import InvalidPolicyError
from preprocessing.application import Application
from scoring.artifact import ArtifactError
from serving import SERVICE_NAME, SERVICE_VERSION
from serving.bento.descriptors import (
    application_input,
    applications_input,
    batch_output,
    explanation_output,
    prediction_output,
)
from serving.bento.framework import CreditRiskService, StoreEntry, tracer_provider
from serving.bento.lifecycle import Draining
from serving.engine import Assessment, Engine
from serving.http.batches import Item, Result, Row, answer, answer_batch
from serving.http.information import Information
from serving.http.problems import NotReadyError
from serving.settings import load_settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY, load_served
from serving.telemetry import drift, metrics
from serving.telemetry.logs import configure_logging, refusals_as_lines, service_log
from serving.telemetry.tracing import bentoml_tracing, tracing, tracing_settings
from serving.telemetry.upkeep import Upkeep

with refusals_as_lines():
    settings = load_settings()
    tracing_options = tracing_settings(os.environ)
configure_logging(settings.log_level)
information = Information(settings)

MOST_MERGED = 512
"""Most requests to /predict merged into a batch, and scored in one go: under load, each turn of the event loop in
between is spent on those that come after them."""

SCORING_CHUNK = 50
"""Rows of /predict/batch scored before other requests get their turn on the event loop."""

EXPLAINING_CHUNK = 8
"""Rows explained in one visit to a thread: an explanation costs some ten times a score."""


@bentoml.service(
    name=SERVICE_NAME,
    service_class=CreditRiskService,
    description="Credit decisions with the probability of default behind them, and the reasons.",
    labels={"version": SERVICE_VERSION},
    workers=settings.workers,
    traffic={"timeout": settings.timeout_seconds, "max_concurrency": settings.max_concurrency},
    metrics={"duration": {"buckets": list(metrics.DURATION_BUCKETS)}},
    logging={"access": {"enabled": False}},  # the edge logs every request, the refused ones too
    tracing=bentoml_tracing(tracing_options),
)
@bentoml.asgi_app(information.app(), path="/")
class CreditRisk:
    """Credit decisions: post an application, get a decision, its probability of default, and explanations."""

    model = StoreEntry(f"{MODEL_ENTRY}:latest")  # pinned when a Bento is built
    policy = StoreEntry(f"{POLICY_ENTRY}:latest")
    in_threads = frozenset({"predict_explain"})
    """The APIs whose batches are not worked off on the event loop."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.draining = Draining(settings.drain_seconds)
        self.draining.install()
        if tracing_options.enabled:
            tracing.start(tracer_provider())
        bento: bentoml.Bento | None = CreditRisk.bento  # type: ignore[attr-defined]  # the decorator made it a Service
        information.bento = str(bento.tag) if bento is not None else None
        try:
            served = load_served(settings, bento)
            self.engine = information.engine = Engine(served.scorer, served.attributor, served.policy)
            information.digests = served.digests
            metrics.describe(served.scorer.manifest, served.policy.policy.version)
            drift.watch(served.distribution)
            service_log.info("ready", extra={"data": information.version()})
        except (ArtifactError, InvalidPolicyError) as exc:
            # Alive but never ready: an orchestrator must not restart it in a loop, nor send it traffic.
            service_log.critical("not ready: nothing verified to serve", extra={"data": {"reason": str(exc)}})
        self.upkeep = Upkeep(self.__is_ready__)

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Carry the last counts over to the metrics, and the last spans to the collector."""
        self.upkeep.stop()
        tracing.stop()

    def __is_ready__(self) -> bool:
        return self.engine is not None and not self.draining.active

    def warm_up_items(self) -> Sequence[Item]:
        """Applications to train the batchers on before the first request."""
        return self.engine.scorer.golden if self.engine is not None else ()

    async def warm_up(self, items: list[Item]) -> list[Result]:
        """Answer, outside of all metrics."""
        return await answer(items, self._assess, SCORING_CHUNK)

    @bentoml.api(
        route="/predict",
        input_spec=application_input(settings, information.contract),
        output_spec=prediction_output(),
        batchable=True,
        max_batch_size=MOST_MERGED,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict(self, rows: list[Row]) -> list[Result]:
        """Decide one application."""
        return await answer_batch("/predict", rows, self._assess, MOST_MERGED)

    @bentoml.api(
        route="/predict/batch",
        input_spec=applications_input(settings, information.contract),
        output_spec=batch_output(),
        batchable=True,
        max_batch_size=settings.max_batch_rows,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict_batch(self, rows: list[Row]) -> list[Result]:
        """Decide many applications, each as if it had come alone."""
        return await answer_batch("/predict/batch", rows, self._assess, SCORING_CHUNK)

    @bentoml.api(
        route="/predict/explain",
        input_spec=application_input(settings, information.contract),
        output_spec=explanation_output(),
        batchable=True,
        max_batch_size=32,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict_explain(self, rows: list[Row]) -> list[Result]:
        """Decide one application and say what moved its probability of default."""
        return await answer_batch("/predict/explain", rows, self._explain, EXPLAINING_CHUNK)

    async def _assess(self, applications: Sequence[Application]) -> list[Assessment]:
        return self._ready_engine().assess(applications)

    async def _explain(self, applications: Sequence[Application]) -> list[Assessment]:
        return await anyio.to_thread.run_sync(self._ready_engine().explain, applications)

    def _ready_engine(self) -> Engine:
        if self.engine is None:
            raise NotReadyError
        return self.engine
