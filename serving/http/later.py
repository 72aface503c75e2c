"""An application that is made beside answering, since nobody waits for it at start."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Protocol

from starlette.types import Receive, Scope, Send

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

    Where that fails, whoever waited is told, and the next request has it tried again.

    Args:
        make: makes it, in a thread.
    """

    def __init__(self, make: Callable[[], Opened]) -> None:
        self._make = make
        self._making: asyncio.Task[Opened] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await asyncio.shield(self._begin())
        await app(scope, receive, send)

    def open(self) -> None:
        """The service starts; to be called from the event loop's thread."""
        self._timer = asyncio.get_running_loop().call_later(AFTER_SECONDS, self._begin)

    def close(self) -> None:
        """It stops."""
        if self._timer is not None:
            self._timer.cancel()
        if self._making is None:
            return
        if self._making.done():
            self._making.result().close()
        else:
            self._making.cancel()  # what would be opened from now on nobody would close

    def _begin(self) -> asyncio.Task[Opened]:
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._made())
        return self._making

    async def _made(self) -> Opened:
        try:
            app = await asyncio.to_thread(self._make)
            gc.freeze()  # as what was made before: see serving.bento.lifecycle
            app.open()
        except BaseException:
            self._making = None
            raise
        return app
