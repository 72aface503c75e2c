"""Requests that carry a key are answered once: claimed when they have arrived, kept with their decisions' records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from records.errors import KeyInWorkError, RecordsError, RecordsUnavailableError
from records.record import DecisionRecord
from serving.http.idempotency import Repeated
from serving.http.problems import (
    InternalError,
    KeyInUseError,
    NoIdempotencyError,
    NotRecordedError,
    OtherRequestError,
)
from serving.settings import Settings
from serving.telemetry.exchange import current_exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from records.committer import Committer
    from records.idempotency.answer import Asked
    from records.idempotency.claimer import Claimer
    from records.keyring import KeyRing

_SECONDS_AN_HOUR = 3600


@dataclass(slots=True)
class Claim:
    """One request's hold on its key.

    Attributes:
        asked: what it is known by.
        held: whether it still is.
        committing: whether the answer is on its way into the store, so that it is held until that is over.
    """

    asked: Asked
    claimer: Claimer
    held: bool = True
    committing: bool = False

    def over(self) -> None:
        """The request has been answered, or given up."""
        if not self.committing:
            self.release()

    def release(self) -> None:
        """Let others ask under this key."""
        if self.held:
            self.held = False
            self.claimer.release(self.asked.key)


class Idempotency:
    """Answers requests with a key once, where there is a store.

    Args:
        settings: how long an answer is given again.
        telemetry: counts the requests.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._seconds = settings.idempotency_hours * _SECONDS_AN_HOUR
        self._count = telemetry.metrics.count_idempotent
        self._started: tuple[Claimer, KeyRing] | None = None

    def start(self, claimer: Claimer, ring: KeyRing) -> None:
        """Take keys from now on."""
        self._started = claimer, ring

    def stop(self) -> None:
        """Let go of all keys."""
        if self._started is not None:
            self._started[0].stop()

    async def repeated(self, request: Request, key: bytes, body: bytes) -> Repeated | None:
        """What a request was answered before; None where it was not, and its key is held for it.

        Raises:
            ProblemError: the key is in use, or another request's; or there is no store, or nothing is known.
        """
        if self._started is None:
            raise NoIdempotencyError
        from records.idempotency.answer import asked, opened  # noqa: PLC0415  # brings what is only there with a store

        claimer, ring = self._started
        exchange = current_exchange.get()
        assert exchange is not None
        wanted = asked(ring, exchange.caller, key, (exchange.route.encode(), request.scope["query_string"], body))
        try:
            answer = await claimer.claim(wanted.key)
        except KeyInWorkError:
            self._count("in_use")
            raise KeyInUseError from None
        except RecordsUnavailableError as exc:
            service_log.error("idempotency keys: not looked up", extra={"data": {"reason": str(exc)}})
            raise NotRecordedError(
                "whether this Idempotency-Key was answered can't be told now; repeat the request later"
            ) from None
        if answer is None:
            exchange.claim = Claim(wanted, claimer)
            self._count("first")
            return None
        if answer.request != wanted.request:
            self._count("other_request")
            raise OtherRequestError
        try:
            content = opened(answer, ring)
        except RecordsError as exc:
            service_log.error("idempotency keys: an answer can't be opened", extra={"data": {"reason": str(exc)}})
            raise InternalError from None
        self._count("replayed")
        return Repeated(content)

    async def commit(
        self, committer: Committer, claim: Claim, records: Sequence[DecisionRecord], content: bytes
    ) -> None:
        """Return when decisions and answer are durable; whoever waits for it, the key is held until that is settled.

        Raises:
            RecordsUnavailableError: they may be or not.
            AnsweredAlreadyError: they are not, since another answer is kept for the same key.
        """
        from records.idempotency.answer import sealed  # noqa: PLC0415  # as above

        assert self._started is not None
        if not claim.held:  # BentoML lets what has timed out go on, and others may have the key since
            raise RecordsUnavailableError("the request has been given up")
        claim.committing = True
        answer = sealed(claim.asked, content, records, self._started[1], self._seconds)
        committing = asyncio.ensure_future(committer.commit(records, answer))

        def settled(task: asyncio.Future[None]) -> None:
            if not task.cancelled():
                task.exception()  # told to whoever still waits
            claim.release()

        committing.add_done_callback(settled)
        await asyncio.shield(committing)
