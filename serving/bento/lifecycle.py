"""Ready and not ready: what the probes say between start and SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from serving.bento.allocator import give_memory_back
from serving.telemetry.logs import service_log

YOUNG_OBJECTS = 10_000
"""New objects between two looks of the garbage collector at the youngest generation; CPython's default is 700, or 2,000
from 3.13 on. A look at so many takes half a millisecond, and some hundred requests must be at work for there to be so
many."""


@contextmanager
def loading() -> Iterator[None]:
    """Have the garbage collector not look, again and again, through what is loaded and stays: a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle_heap() -> None:
    """Spare the garbage collector everything that was loaded at start, which will never be garbage.

    Full collections over the libraries' heap are the tail of a request's time otherwise.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    give_memory_back()


class Draining:
    """Says "not ready" from SIGTERM on, while the server goes on answering for a while.

    A load balancer needs to see a failing readiness probe before the server stops accepting, or it goes on sending
    requests to a closed port.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.active = False

    def install(self) -> None:
        """Put this in front of the server's own handler of SIGTERM. To be called from the event loop's thread."""
        server_handler = signal.getsignal(signal.SIGTERM)
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:
            if self.active:
                return
            self.active = True
            loop.call_soon_threadsafe(self._start, loop, server_handler, number, frame)

        signal.signal(signal.SIGTERM, handle)

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        server_handler: Callable[[int, FrameType | None], Any] | int | None,
        number: int,
        frame: FrameType | None,
    ) -> None:
        service_log.info("SIGTERM: not ready any more", extra={"data": {"drain_seconds": self.seconds}})
        server = getattr(server_handler, "__self__", None)
        if hasattr(server, "should_exit"):
            # uvicorn's handler would also have it die of the signal in the end, with the last log lines unwritten.
            loop.call_later(self.seconds, setattr, server, "should_exit", True)
        elif callable(server_handler):
            loop.call_later(self.seconds, server_handler, number, frame)
        else:
            raise SystemExit(0)
