"""Many requests' claims at once, in a thread of their own: the event loop waits for no file and no server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from records.errors import KeyInWorkError, RecordsUnavailableError
from records.idempotency.answer import Answer
from records.idempotency.claims import Claims, Found


class _Pending(NamedTuple):
    key: bytes
    loop: asyncio.AbstractEventLoop
    found: asyncio.Future[Answer | None]


class Claimer:
    """The claims of one worker. Its thread starts with the first of them.

    Args:
        claims: used by this object's thread alone.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._held: set[bytes] = set()
        self._pending: list[_Pending] = []
        self._released: list[bytes] = []
        self._wake = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    async def claim(self, key: bytes) -> Answer | None:
        """Claim a key, and hold it until it is released.

        Returns:
            What it was answered; None where it was not, so that it is held now.

        Raises:
            KeyInWorkError: another request holds it.
            RecordsUnavailableError: nobody knows.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Answer | None] = loop.create_future()
        with self._wake:
            if self._ending:
                raise RecordsUnavailableError("the service is stopping")
            if key in self._held:
                raise KeyInWorkError("a request with this key is being answered")
            self._held.add(key)
            self._pending.append(_Pending(key, loop, found))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="claims", daemon=True)
                self._thread.start()
            self._wake.notify()
        return await found

    def release(self, key: bytes) -> None:
        """Let go of a key that was claimed, soon."""
        with self._wake:
            self._held.discard(key)
            self._released.append(key)
            self._wake.notify()

    def stop(self) -> None:
        """Let go of all keys, and end."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        self._claims.close()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._pending or self._released or self._ending):
                    self._wake.wait()
                if self._ending and not self._pending:
                    return
                pending, self._pending = self._pending, []
                released, self._released = self._released, []
            self._release(released)
            if pending:
                self._claim(pending)

    def _release(self, keys: Sequence[bytes]) -> None:
        with suppress(Exception):  # a claim ends with the connection that failed, or at the latest with the process
            if keys:
                self._claims.release(keys)

    def _claim(self, pending: Sequence[_Pending]) -> None:
        found: Found | RecordsUnavailableError
        try:
            found = self._claims.claim([each.key for each in pending])
        except Exception as exc:  # noqa: BLE001  # whatever it is, it must not end the thread
            found = RecordsUnavailableError(str(exc))
        for loop in {each.loop for each in pending}:
            try:
                loop.call_soon_threadsafe(self._tell, [each for each in pending if each.loop is loop], found)
            except RuntimeError:  # the loop has ended, and with it whoever waited
                continue

    def _tell(self, pending: Sequence[_Pending], found: Found | RecordsUnavailableError) -> None:
        for key, _, waiting in pending:
            claimed = isinstance(found, Found) and key in found.claimed
            given_up = waiting.done()
            if claimed and given_up:
                self.release(key)
            elif not claimed:
                with self._wake:
                    self._held.discard(key)
            if given_up:
                continue
            if isinstance(found, RecordsUnavailableError):
                waiting.set_exception(found)
            elif claimed or key in found.answers:
                waiting.set_result(found.answers.get(key))
            else:
                waiting.set_exception(KeyInWorkError("a request with this key is being answered"))
