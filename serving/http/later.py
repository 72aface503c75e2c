"""An application that is made beside answering, since nobody waits for it at start."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Protocol

from starlette.types import Receive, Scope, Send

from serving.telemetry.logs import service_log

AFTER_SECONDS = 1.0
"""From the start until it is made. What it imports takes the interpreter some tens of milliseconds."""


class Opened(Protocol):
    """An application with a beginning and an end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

    def open(self) -> None:
        """Begin; from the event loop's thread."""

    def close(self) -> None:
        """Stop."""


class Later:
    """Stands for the application. A request that comes before it is made has it made, and waits.

    Where it can't be made, which may pass, the next request has it tried again.

    Args:
        make: makes it, in a thread.
    """

    def __init__(self, make: Callable[[], Opened]) -> None:
        self._make = make
        self._making: asyncio.Task[Opened] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await asyncio.shield(self._begin())
        await app(scope, receive, send)

    def open(self) -> None:
        """The service starts; to be called from the event loop's thread."""
        self._timer = asyncio.get_running_loop().call_later(AFTER_SECONDS, self._begin)

    def close(self) -> None:
        """It stops."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._making is not None and self._making.done() and not _failed(self._making):
            self._making.result().close()

    def _begin(self) -> asyncio.Task[Opened]:
        if self._making is None or _failed(self._making):
            self._making = asyncio.get_running_loop().create_task(self._made())
            self._making.add_done_callback(_failed)
        return self._making

    async def _made(self) -> Opened:
        try:
            app = await asyncio.to_thread(self._make)
        except Exception:  # maybe nobody has asked, whom it would be told
            service_log.exception("the desk can't be made; it is tried again when somebody asks for it")
            raise
        gc.freeze()  # as what was made before: see serving.bento.lifecycle
        if not self._closed:  # or nobody would close it, and what it opens would be left
            app.open()
        return app


def _failed(making: asyncio.Task[Opened]) -> bool:
    """Asked once it is done, the event loop doesn't tell of it besides."""
    return making.done() and (making.cancelled() or making.exception() is not None)
