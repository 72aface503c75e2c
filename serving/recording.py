"""What is answered goes on record first: from what was said of an application to a record, and its id back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

import decision
import engine as engine_package
import preprocessing
import scoring
from engine import Engine
from records.basis import Basis, code_digest, libraries, processor
from records.errors import RecordsError
from records.identifiers import as_text, new_id
from records.moments import now
from records.record import DecisionRecord
from records.replaying.answers import Said
from records.shadow.answered import Answered
from serving import SERVICE_VERSION
from serving.challenging import Challenging
from serving.once import Once
from serving.settings import Settings
from serving.store import Served
from serving.telemetry.exchange import Exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry
from serving.yielding import give_way

if TYPE_CHECKING:
    from records.committer import Committer
    from records.stores.base import Writing
    from records.stores.spooling import Spooling

_AT_A_TIME = 100
"""Records of one request made before other requests get their turn on the event loop: half a millisecond."""

_PACKAGES = (preprocessing, scoring, decision, engine_package)


class Recording:
    """Keeps what is answered, where a store is set.

    Args:
        settings: which store, and which keys.
        telemetry: counts what is kept.
        once: is told of the store, and has answers kept with their decisions.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, once: Once) -> None:
        self._settings = settings
        self._challenging = Challenging(settings, telemetry) if settings.challenger else None
        self._once = once
        self._metrics = telemetry.metrics
        self._failing = self._told = False
        self._spool: Spooling | None = None
        self._basis: Basis | None = None
        self._committer: Committer | None = None

    def start(self, engine: Engine, served: Served) -> None:
        """Open the store, and put into its archive what is decided by; one that can't be reached yet is waited for.

        Raises:
            StoreError: it can't be used.
            KeyRingError: nor can the keys.
        """
        if self._settings.records is None:
            service_log.warning("decisions are not recorded; set CREDIT_RISK_RECORDS to keep them")
            return
        # Bring cryptography and a database's client, which a service without records does without.
        from records.committer import Committer  # noqa: PLC0415
        from records.idempotency.claimer import Claimer  # noqa: PLC0415
        from records.keyring import read_keyring  # noqa: PLC0415
        from records.stores.opening import open_claims  # noqa: PLC0415

        assert self._settings.records_key_file is not None
        self._basis = basis = _basis(engine, served.digests)
        ring = read_keyring(self._settings.records_key_file)
        files = {served.digests[name]: content for name, content in served.contents.items()}
        committer = Committer(self._opened(self._settings.records), basis, ring, self, files, give_way)
        committer.start()
        self._committer = committer
        self._once.start(Claimer(open_claims(self._settings.records, self._settings.records_seconds)), ring)
        if self._challenging is not None:
            self._challenging.start(basis, served)

    @property
    def keeps(self) -> bool:
        """Whether what is answered goes on record."""
        return self._committer is not None

    @property
    def ready(self) -> bool:
        """Whether what is decided can be kept, or need not be."""
        return not self._failing

    @property
    def basis(self) -> bytes | None:
        """Digest of what is decided by; None where nothing is kept."""
        return None if self._basis is None else self._basis.digest

    def stop(self) -> None:
        """Write what waits, and let go of the store."""
        if self._challenging is not None:
            self._challenging.stop()
        if self._committer is not None:
            self._committer.stop()
            self._once.stop()

    def observe(self) -> None:
        """Bring gauges up to date."""
        if self._committer is not None:
            self._metrics.records_waiting.set(self._committer.waiting)
        if self._spool is not None:
            with suppress(RecordsError):  # a file that was carried over and deleted just now
                self._metrics.records_spooled.set(self._spool.rows())
            self._metrics.records_spool_fill.set(self._spool.fill())

    def challenger(self) -> dict[str, Any] | None:
        """What /version says of it; None where there is none."""
        return None if self._challenging is None else self._challenging.document()

    def committed(self, rows: int, seconds: float) -> None:
        """A transaction is durable."""
        self._metrics.count_commit(rows, seconds)
        if self._told:
            self._told = False
            service_log.info("records: written again")

    def usable(self) -> None:
        """The store says that it can be written to, at start or again."""
        self._failing = False

    def failed(self, error: Exception) -> None:
        """One is not, or not known to be; said once, until the next that is."""
        self._metrics.count_commit_failure()
        self._failing = True
        if not self._told:
            self._told = True
            service_log.error("records: not written", extra={"data": {"reason": str(error)}})

    def spooling(self, error: Exception) -> None:
        """The store can't be used; its spool can."""
        self._metrics.count_commit_failure()
        service_log.error("records: spooled, the store can't be used", extra={"data": {"reason": str(error)}})

    def carried_over(self) -> None:
        """What was spooled is in the store."""
        service_log.info("records: out of the spool, all in the store")

    def not_carried_over(self, error: Exception) -> None:
        """What is in the spool can't be brought to the store."""
        self._metrics.count_commit_failure()
        service_log.error("records: they stay in the spool", extra={"data": {"reason": str(error)}})

    async def keep(
        self,
        kind: str,
        rows: Sequence[int | None],
        say: Callable[[Basis], Iterable[Said]],
        exchange: Exchange | None,
        content: Callable[[Sequence[str | None]], bytes],
    ) -> Sequence[str | None]:
        """Return when all of a request's decisions are durable.

        Args:
            kind: of the route.
            rows: of the decisions; None for one that came alone.
            say: from what is decided by to what was said of each, in their order.
            exchange: the request.
            content: the answer by its decisions' ids, which is kept with them where the request has a key.

        Returns:
            The decisions' ids in order; None for each where nothing is kept.

        Raises:
            RecordsUnavailableError: they may not be durable, so that they must not be answered.
            AnsweredAlreadyError: nor must these, since another answer is kept for the same key.
        """
        if self._committer is None:
            return [None] * len(rows)
        assert self._basis is not None
        records = await self._records(kind, zip(rows, say(self._basis), strict=True), exchange)
        ids = [as_text(record.id) for record in records]
        if exchange is None or exchange.claim is None:
            await self._committer.commit(records)
        else:
            await self._once.commit(self._committer, exchange, records, content(ids))
        if self._challenging is not None and exchange is not None:
            offered = [Answered(record.id, record.time, record.outcome, record.received) for record in records]
            exchange.afterwards = partial(self._challenging.offer, offered)
        return ids

    def _opened(self, where: str) -> Writing:
        from records.stores.opening import open_store  # noqa: PLC0415  # as in start

        settings = self._settings
        store = open_store(where, settings.records_seconds)
        if settings.records_spool is None:
            return store
        from records.stores.spooling import Spooling  # noqa: PLC0415  # as in start

        carrier = open_store(where, settings.records_seconds)
        self._spool = Spooling(store, carrier, settings.records_spool, settings.records_spool_bytes, self)
        return self._spool

    async def _records(
        self, kind: str, decisions: Iterable[tuple[int | None, Said]], exchange: Exchange | None
    ) -> list[DecisionRecord]:
        moment = now()
        caller = trace = key = None
        request, received = "", None
        if exchange is not None:
            caller, request, received = exchange.caller, exchange.request_id, exchange.received
            trace = f"{exchange.span.trace_id:032x}" if exchange.span is not None else None
            key = exchange.claim.key if exchange.claim is not None else None
        records: list[DecisionRecord] = []
        for row, said in decisions:
            if len(records) % _AT_A_TIME == _AT_A_TIME - 1:
                await give_way()
            came = "" if received is None else received[row or 0]
            records.append(
                DecisionRecord(new_id(), moment, kind, row, caller, request, trace, said[0], came, *said[1:], key)
            )
        return records


def _basis(engine: Engine, digests: Mapping[str, str]) -> Basis:
    identity, contract = engine.identity, engine.contract
    return Basis(
        service_version=SERVICE_VERSION,
        model_name=identity.model_name,
        model_version=identity.model_version,
        policy_version=identity.policy_version,
        digests=dict(digests),
        code=code_digest(Path(str(package.__file__)).parent for package in _PACKAGES),
        libraries=libraries(),
        processor=processor(),
        fields=tuple(contract.by_name),
        scored=tuple(engine.attributor.fields),
        sample=to_json(dict(contract.example)).decode(),
    )
