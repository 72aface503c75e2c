"""The Bento service: routes and wiring. What they do is in preprocessing/, scoring/, decision/ and serving/.

`bentoml serve` imports this in the supervisor and in each worker, one after the other; only the workers put together
what answers.
"""

from __future__ import annotations

import gc
import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # no usage statistics leave a lender's machine
gc.disable()  # what is imported stays, and is not looked through again and again meanwhile

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import bentoml

from serving import SERVICE_NAME, SERVICE_VERSION
from serving.bento.configuration import Shed, tracing_configuration
from serving.bento.descriptors import Descriptors
from serving.bento.hosting import HostedService, hosted
from serving.bento.lifecycle import Draining
from serving.bento.store_entry import StoreEntry
from serving.bento.tls import check_tls
from serving.checking import check_files
from serving.entries import MODEL_ENTRY, POLICY_ENTRY
from serving.routes import PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN
from serving.settings import load_settings, refused
from serving.telemetry.buckets import DURATION_BUCKETS
from serving.telemetry.logs import Logs, refusals_as_lines
from serving.telemetry.tracing import Tracing, tracing_settings

if TYPE_CHECKING:
    from desk import Desk
    from serving.http.batches import Item, Queued, Result
    from serving.http.inside import Inside
    from serving.parts import Parts


def make_desk(inside: Inside) -> Desk:
    """The page for people."""
    from desk import Desk, read_letter  # noqa: PLC0415  # a quarter of what answering takes, and nobody waits for it

    return Desk(inside, letter=read_letter(settings.desk_letter))


def check_letter() -> None:
    """Try the lender's own as the other files that settings name."""
    if settings.desk == "on" and settings.desk_letter is not None:
        from desk import LetterError, read_letter  # noqa: PLC0415  # the same

        with refused("DESK_LETTER", LetterError):
            read_letter(settings.desk_letter)


with refusals_as_lines():
    settings = load_settings()
    tracing_options = tracing_settings(os.environ)
    check_tls(os.environ)
    check_files(settings)
    check_letter()
logs = Logs(Tracing())
logs.configure(settings.log_level, [Shed()])
descriptors = Descriptors()

MOST_MERGED = 512
"""Most requests to /predict merged into a batch, and scored in one go: under load, each turn of the event loop in
between is spent on those that come after them."""

SCORING_CHUNK = 25
"""Rows of short lists scored before other requests get their turn on the event loop: some millisecond. Half as many
take a third longer each, twice as many a tenth less. Long ones have steps of their own: `serving.http.listed`."""

EXPLAINING_CHUNK = 16
"""Rows explained in one visit to a thread, some 3 ms. Half as many take a third longer each, twice as many an eighth
less."""


@lru_cache(maxsize=1)
def assemble() -> Parts:
    """What answers in this process, where it is one that does."""
    from serving.bento.install import install  # noqa: PLC0415  # the supervisor has no use for it
    from serving.parts import Parts  # noqa: PLC0415  # the same

    install(settings)
    with refusals_as_lines():
        parts = Parts(settings, tracing_options, logs, make_desk if settings.desk == "on" else None)
    descriptors.connect(parts.bodies, parts.responses)
    return parts


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
@hosted
class CreditRisk:
    """Credit decisions: post an application, get a decision, its probability of default, and explanations."""

    model = StoreEntry(f"{MODEL_ENTRY}:latest")  # pinned when a Bento is built
    policy = StoreEntry(f"{POLICY_ENTRY}:latest")
    in_threads = frozenset({"predict_explain"})

    def __init__(self) -> None:
        self._parts = assemble()
        self.draining = Draining(settings.drain_seconds)
        self.draining.install()
        self._parts.start(CreditRisk.bento, self._is_ready)  # type: ignore[attr-defined]  # the decorator made it a Service

    @classmethod
    def assemble(cls) -> Parts:
        """What answers in this process."""
        return assemble()

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Keep the last records, carry the last counts over to the metrics, and the last spans to the collector."""
        self._parts.stop()

    async def __is_ready__(self) -> bool:  # or each probe would cost a visit to a thread
        return self._is_ready()

    def _is_ready(self) -> bool:
        return self._parts.ready and not self.draining.active

    def warm_up_items(self) -> Sequence[Item]:
        """Applications to train the batchers on before the first request."""
        return self._parts.warm_up_items()

    async def warm_up(self, items: list[Item]) -> list[Result]:
        """Answer, outside of all metrics."""
        return await self._parts.warm_up(items)

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
        return await self._parts.assess(PREDICT.path, rows, MOST_MERGED)

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
        return await self._parts.assess(PREDICT_BATCH.path, rows, SCORING_CHUNK)

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
        return await self._parts.explain(PREDICT_EXPLAIN.path, rows, EXPLAINING_CHUNK)


gc.enable()
