"""What answers in a worker, put together once when it starts.

The supervisor in front of the workers only asks what it has to start, and a Bento's build what its routes are: they
import `service` without any of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import bentoml
from starlette.types import ASGIApp

from decision import InvalidPolicyError, Outcome
from engine import Assessment, Engine
from preprocessing.application import Application
from preprocessing.fields import PD
from records.errors import RecordsError
from scoring.artifact import ArtifactError
from serving.access.access import Access
from serving.bento.framework import tracer_provider
from serving.http.batches import Item, Queued, Result, answer, answer_batch
from serving.http.bodies import Bodies
from serving.http.decisions import Decisions
from serving.http.information import Information
from serving.http.inside import Inside
from serving.http.later import Later, Opened
from serving.http.listed import ListEngine
from serving.http.problems import NotReadyError
from serving.http.responses import Responses
from serving.lookup import Lookup
from serving.once import Once
from serving.recording import Recording
from serving.routes import PREDICT_BATCH
from serving.settings import Settings
from serving.store import load_served
from serving.telemetry.logs import Logs, service_log
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.tracing import TracingSettings


class Parts:
    """The parts of one process; metrics can be made once in it.

    Args:
        settings: for all of them.
        tracing: whether and where spans go.
        logs: configured before.
        make_desk: makes the page for people; None where there is none.

    Attributes:
        settings: limits, and whose pages may read the answers.
        telemetry: counts and logs requests.
        access: who may do what.
        bodies: reads the scoring routes' requests.
        responses: writes their answers.
        inside: asks the scoring routes from inside of the service.
        desk: the page for people, where there is one.
        routes: every route that is no API's.

    Raises:
        SettingsError: a file that a setting names can't be used any more; see `serving.checking`.
    """

    def __init__(
        self, settings: Settings, tracing: TracingSettings, logs: Logs, make_desk: Callable[[Inside], Opened] | None
    ) -> None:
        self.settings = settings
        self.telemetry = Telemetry(logs=logs)
        self.access = Access(settings, self.telemetry)
        self._tracing = tracing
        self._engine: Engine | None = None
        self._lists: ListEngine | None = None
        self._information = Information(settings)
        once = Once(settings, self.telemetry)
        self.bodies = Bodies(settings, self._information.contract, self.telemetry, once)
        self._recording = Recording(settings, self.telemetry, once)
        self._information.challenger = self._recording.challenger
        self._lookup = Lookup(settings)
        self.responses = Responses(self.telemetry, self._recording)
        self.inside = Inside(self._information, self._lookup, self.telemetry)
        self._desk = Later(partial(make_desk, self.inside)) if make_desk is not None else None
        self.routes = self._information.app(Decisions(self._lookup, self.bodies).routes())

    @property
    def desk(self) -> ASGIApp | None:
        """The page for people, where there is one."""
        return self._desk

    @property
    def ready(self) -> bool:
        """Whether something verified can be answered, to somebody, and kept where it has to be."""
        return self._engine is not None and self.access.ready and self._recording.ready

    def start(self, bento: bentoml.Bento | None, is_ready: Callable[[], bool]) -> None:
        """Load what is served, and begin what runs beside answering; to be called from the event loop's thread.

        Args:
            bento: that is served, if it is one.
            is_ready: what the probes are told.
        """
        if self._desk is not None:
            self._desk.open()
        if self._tracing.enabled:
            self.telemetry.tracing.start(tracer_provider(), self._tracing.sample_rate)
        try:
            self._load(bento)
        except (ArtifactError, InvalidPolicyError, RecordsError) as exc:
            # Alive but never ready: an orchestrator must not restart it in a loop, nor send it traffic.
            service_log.critical("not ready: nothing verified to serve", extra={"data": {"reason": str(exc)}})
        self._upkeep = self.telemetry.upkeep(is_ready, self._recording.observe)

    def _load(self, bento: bentoml.Bento | None) -> None:
        information = self._information
        information.bento = str(bento.tag) if bento is not None else None
        served = load_served(self.settings, bento)
        engine = Engine(served.scorer, served.attributor, served.policy, self.telemetry.tracing.span)
        if ListEngine.pays(engine):
            self._lists = ListEngine(engine, served.distribution.bins)
            self.bodies.by_columns()
        self._recording.start(engine, served)
        self._lookup.serve(self._recording.basis, engine)
        self._engine = information.engine = engine
        information.digests, information.contents = served.digests, served.contents
        information.signed_by = served.signed_by
        manifest, policy = served.scorer.manifest, served.policy.policy
        self.telemetry.metrics.describe(manifest.version, manifest.created, policy.version, list(Outcome))
        self.telemetry.drift.watch(served.distribution.bins, PD)
        service_log.info("ready", extra={"data": information.version()})

    def stop(self) -> None:
        """Keep the last records, carry the last counts over to the metrics, and the last spans to the collector."""
        if self._desk is not None:
            self._desk.close()
        self._recording.stop()
        self._lookup.close()
        self._upkeep.stop()
        self.telemetry.tracing.stop()

    def warm_up_items(self) -> Sequence[Item]:
        """Applications to train the batchers on before the first request."""
        return self._engine.scorer.golden if self._engine is not None else ()

    async def warm_up(self, items: list[Item]) -> list[Result]:
        """Answer, outside of all metrics."""
        return await answer(items, self._assess, len(items))

    async def assess(self, route: str, rows: list[Queued], chunk: int) -> list[Result]:
        """Decide a batch of a route's, so many rows at a turn of the event loop."""
        lists = self._lists if route == PREDICT_BATCH.path else None
        return await answer_batch(
            self.telemetry, route, rows, self._assess, chunk, None if lists is None else lists.answer
        )

    async def explain(self, route: str, rows: list[Queued], chunk: int) -> list[Result]:
        """The same with explanations, so many rows in one visit to a thread."""
        return await answer_batch(self.telemetry, route, rows, self._explain, chunk)

    async def _assess(self, applications: Sequence[Application]) -> list[Assessment]:
        return self._ready_engine().assess(applications)

    async def _explain(self, applications: Sequence[Application]) -> list[Assessment]:
        return await asyncio.to_thread(self._ready_engine().explain, applications)

    def _ready_engine(self) -> Engine:
        if self._engine is None:
            raise NotReadyError
        return self._engine
