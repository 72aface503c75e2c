"""Requests that carry a key are answered once: claimed when they have arrived, kept with their decisions' records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from records.errors import KeyInWorkError, OtherRequestError, RecordsUnavailableError
from records.record import DecisionRecord
from serving.settings import Settings
from serving.telemetry.exchange import Exchange
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
        key: as the caller sent it.
        asked: what the request is known by.
        claimer: that it is of.
        held: whether it still is.
        committing: whether the answer is on its way into the store, so that it is held until that is over.
    """

    key: str
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


class Once:
    """Answers requests with a key once, where there is a store.

    Args:
        settings: how long an answer is given again.
        telemetry: counts the requests.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._seconds = settings.idempotency_hours * _SECONDS_AN_HOUR
        self._count = telemetry.metrics.count_idempotent
        self._started: tuple[Claimer, KeyRing] | None = None

    @property
    def started(self) -> bool:
        """Whether keys are taken."""
        return self._started is not None

    def start(self, claimer: Claimer, ring: KeyRing) -> None:
        """Take keys from now on."""
        self._started = claimer, ring

    def stop(self) -> None:
        """Let go of all keys."""
        if self._started is not None:
            self._started[0].stop()

    async def answered(self, exchange: Exchange, key: bytes, request: Sequence[bytes]) -> bytes | None:
        """What a request was answered before; None where it was not, and its key is held for it now.

        Args:
            exchange: the request, which is given the claim.
            key: as the caller sent it.
            request: all that the answer depends on.

        Raises:
            KeyInWorkError: another request holds the key.
            OtherRequestError: another request was answered under the key.
            RecordsUnavailableError: nobody knows.
            KeyRingError, SealBrokenError: what was answered can't be opened.
        """
        from records.idempotency.answer import asked, opened  # noqa: PLC0415  # brings what only a store needs

        assert self._started is not None
        claimer, ring = self._started
        wanted = asked(ring, exchange.caller, key, request)
        try:
            answer = await claimer.claim(wanted.key)
        except KeyInWorkError:
            self._count("in_use")
            raise
        if answer is None:
            exchange.claim = Claim(str(key, "ascii"), wanted, claimer)
            self._count("first")
            return None
        if answer.request != wanted.request:
            self._count("other_request")
            raise OtherRequestError("another request was answered under this key")
        content = opened(answer, ring)
        self._count("replayed")
        return content

    async def commit(
        self, committer: Committer, exchange: Exchange, records: Sequence[DecisionRecord], content: bytes
    ) -> None:
        """Return when decisions and answer are durable; whoever waits for it, the key is held until that is settled.

        Raises:
            RecordsUnavailableError: they may be or not.
            AnsweredAlreadyError: they are not, since another answer is kept for the same key.
        """
        from records.idempotency.answer import sealed  # noqa: PLC0415  # as above

        claim = exchange.claim
        assert self._started is not None
        assert isinstance(claim, Claim)
        if not claim.held:  # what has timed out may go on, and others may have the key since
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
