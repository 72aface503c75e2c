"""The Bento service: routes and wiring. What they do is in preprocessing/, scoring/, decision/ and serving/."""

from __future__ import annotations

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # no usage statistics leave a lender's machine

from collections.abc import Sequence

import anyio.to_thread
import bentoml
from starlette.types import ASGIApp

from decision import InvalidPolicyError, Outcome
from desk import Desk, LetterError, read_letter
from engine import Assessment, Engine
from preprocessing.application import Application
from preprocessing.fields import PD
from records.errors import RecordsError
from scoring.artifact import ArtifactError
from serving import SERVICE_NAME, SERVICE_VERSION
from serving.access.access import Access
from serving.bento.descriptors import Descriptors
from serving.bento.framework import HostedService, hosted, tracer_provider
from serving.bento.install import install, tracing_configuration
from serving.bento.lifecycle import Draining
from serving.bento.store_entry import StoreEntry
from serving.bento.tls import check_tls
from serving.http.batches import Item, Queued, Result, answer, answer_batch
from serving.http.bodies import Bodies
from serving.http.decisions import Decisions
from serving.http.information import Information
from serving.http.inside import Inside
from serving.http.listed import AnsweredList, Listed, ListEngine
from serving.http.problems import NotReadyError
from serving.http.responses import Responses
from serving.lookup import Lookup
from serving.once import Once
from serving.recording import Recording
from serving.routes import PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN
from serving.settings import PREFIX, SettingsError, load_settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY, load_served
from serving.telemetry.logs import refusals_as_lines, service_log
from serving.telemetry.metrics import DURATION_BUCKETS
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.tracing import tracing_settings

with refusals_as_lines():
    settings = load_settings()
    tracing_options = tracing_settings(os.environ)
    check_tls(os.environ)
telemetry = Telemetry()
install(telemetry.logs, settings)
with refusals_as_lines():
    access = Access(settings, telemetry)
information = Information(settings)
once = Once(settings, telemetry)
bodies = Bodies(settings, information.contract, telemetry, once)
recording = Recording(settings, telemetry, once)
information.challenger = recording.challenger
lookup = Lookup(settings)
responses = Responses(telemetry, recording)
descriptors = Descriptors(bodies, responses)
inside = Inside(information, lookup, telemetry)
with refusals_as_lines():
    try:
        desk_app = Desk(inside, letter=read_letter(settings.desk_letter)) if settings.desk == "on" else None
    except LetterError as exc:
        raise SettingsError(f"{PREFIX}DESK_LETTER: {exc}") from None

MOST_MERGED = 512
"""Most requests to /predict merged into a batch, and scored in one go: under load, each turn of the event loop in
between is spent on those that come after them."""

SCORING_CHUNK = 25
"""Rows of /predict/batch scored before other requests get their turn on the event loop: some millisecond. Half as many
take a third longer each, twice as many a tenth less."""

EXPLAINING_CHUNK = 16
"""Rows explained in one visit to a thread, some 3 ms. Half as many take a third longer each, twice as many an eighth
less."""


@bentoml.service(
    name=SERVICE_NAME,
    service_class=HostedService,
    description="Credit decisions with the probability of default behind them, and the reasons.",
    labels={"version": SERVICE_VERSION},
    workers=settings.workers,
    traffic={"timeout": settings.timeout_seconds, "max_concurrency": settings.max_concurrency},
    metrics={"duration": {"buckets": list(DURATION_BUCKETS)}},
    logging={"access": {"enabled": False}},  # the edge logs every request, the refused ones too
    tracing=tracing_configuration(tracing_options),
)
@hosted(information.app(Decisions(lookup, bodies).routes()))
class CreditRisk:
    """Credit decisions: post an application, get a decision, its probability of default, and explanations."""

    model = StoreEntry(f"{MODEL_ENTRY}:latest")  # pinned when a Bento is built
    policy = StoreEntry(f"{POLICY_ENTRY}:latest")
    settings = settings
    telemetry = telemetry
    access = access
    bodies = bodies
    responses = responses
    inside = inside
    desk: ASGIApp | None = desk_app
    in_threads = frozenset({"predict_explain"})

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.lists: ListEngine | None = None
        self.draining = Draining(settings.drain_seconds)
        self.draining.install()
        if desk_app is not None:
            desk_app.open()
        if tracing_options.enabled:
            telemetry.tracing.start(tracer_provider(), tracing_options.sample_rate)
        try:
            self._load(CreditRisk.bento)  # type: ignore[attr-defined]  # the decorator made it a Service
        except (ArtifactError, InvalidPolicyError, RecordsError) as exc:
            # Alive but never ready: an orchestrator must not restart it in a loop, nor send it traffic.
            service_log.critical("not ready: nothing verified to serve", extra={"data": {"reason": str(exc)}})
        self.upkeep = telemetry.upkeep(self.__is_ready__, recording.observe)

    def _load(self, bento: bentoml.Bento | None) -> None:
        information.bento = str(bento.tag) if bento is not None else None
        served = load_served(settings, bento)
        engine = Engine(served.scorer, served.attributor, served.policy, telemetry.tracing.span)
        if ListEngine.pays(engine):
            self.lists = ListEngine(engine, served.policy, served.distribution.bins)
            bodies.by_columns()
        recording.start(engine, served)
        lookup.serve(recording.basis, engine)
        self.engine = engine
        information.engine, information.digests = self.engine, served.digests
        information.contents = served.contents
        information.signed_by = served.signed_by
        manifest, policy = served.scorer.manifest, served.policy.policy
        telemetry.metrics.describe(manifest.version, manifest.created, policy.version, list(Outcome))
        telemetry.drift.watch(served.distribution.bins, PD)
        service_log.info("ready", extra={"data": information.version()})

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Keep the last records, carry the last counts over to the metrics, and the last spans to the collector."""
        if desk_app is not None:
            desk_app.close()
        recording.stop()
        lookup.close()
        self.upkeep.stop()
        telemetry.tracing.stop()

    def __is_ready__(self) -> bool:
        return self.engine is not None and not self.draining.active and access.ready and recording.ready

    def warm_up_items(self) -> Sequence[Item]:
        """Applications to train the batchers on before the first request."""
        return self.engine.scorer.golden if self.engine is not None else ()

    async def warm_up(self, items: list[Item]) -> list[Result]:
        """Answer, outside of all metrics."""
        return await answer(items, self._assess, SCORING_CHUNK)

    @bentoml.api(
        route=PREDICT.path,
        input_spec=descriptors.application,
        output_spec=descriptors.prediction,
        batchable=True,
        max_batch_size=MOST_MERGED,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict(self, rows: list[Queued]) -> list[Result]:
        """Decide one application."""
        return await answer_batch(telemetry, PREDICT.path, rows, self._assess, MOST_MERGED)

    @bentoml.api(
        route=PREDICT_BATCH.path,
        input_spec=descriptors.applications,
        output_spec=descriptors.batch,
        batchable=True,
        max_batch_size=settings.max_batch_rows,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict_batch(self, rows: list[Queued]) -> list[Result]:
        """Decide many applications, each as if it had come alone."""
        return await answer_batch(telemetry, PREDICT_BATCH.path, rows, self._assess, SCORING_CHUNK, self._answer_list)

    @bentoml.api(
        route=PREDICT_EXPLAIN.path,
        input_spec=descriptors.application,
        output_spec=descriptors.explanation,
        batchable=True,
        max_batch_size=32,
        max_latency_ms=settings.batch_latency_ms,
    )
    async def predict_explain(self, rows: list[Queued]) -> list[Result]:
        """Decide one application and say what moved its probability of default."""
        return await answer_batch(telemetry, PREDICT_EXPLAIN.path, rows, self._explain, EXPLAINING_CHUNK)

    async def _assess(self, applications: Sequence[Application]) -> list[Assessment]:
        return self._ready_engine().assess(applications)

    async def _answer_list(self, listed: Listed) -> AnsweredList:
        if self.lists is None:
            raise NotReadyError
        return await self.lists.answer(listed)

    async def _explain(self, applications: Sequence[Application]) -> list[Assessment]:
        return await anyio.to_thread.run_sync(self._ready_engine().explain, applications)

    def _ready_engine(self) -> Engine:
        if self.engine is None:
            raise NotReadyError
        return self.engine
