"""The keys file while the service runs: read again when it has changed, the last good one kept where it is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from serving.access.callers import Caller, Reason
from serving.access.keyfile import read_keys, signature_of
from serving.access.keys import KeyRing, KeysError
from serving.telemetry.logs import service_log


class KeysFile:
    """Who holds which key, by the file.

    Args:
        path: the file.
        failed: told of each look that found a broken file.

    Raises:
        KeysError: there is none, or it is none.
    """

    ready = True

    def __init__(self, path: Path, failed: Callable[[], None]) -> None:
        self._path = path
        self._failed = failed
        self._said: str | None = None
        document, self._signature = read_keys(path)
        self._ring = KeyRing(document.keys)

    @property
    def names(self) -> list[str]:
        """Of the callers."""
        return self._ring.names

    def find(self, sent: bytes | Reason, now: float) -> Caller | Reason:
        """Whose key was sent."""
        return self._ring.find(sent, now)

    async def learn(self) -> bool:
        """False: the file is looked at once a second, however many unknown keys are sent."""
        return False

    async def refresh(self) -> None:
        """Look whether the file has changed, and read it then."""
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        # One that was broken is read again: it may have been looked at while it was being written.
        if self._said is None and not self._has_changed():
            return
        try:
            document, self._signature = read_keys(self._path)
        except KeysError as exc:
            self._failed()
            if str(exc) != self._said:
                self._said = str(exc)
                service_log.error(
                    "keys file refused; the keys read before go on", extra={"data": {"reason": self._said}}
                )
            return
        self._ring, self._said = KeyRing(document.keys), None
        service_log.info("keys read", extra={"data": {"keys": len(document.keys)}})

    def _has_changed(self) -> bool:
        try:
            return signature_of(self._path.stat()) != self._signature
        except OSError:
            return True
