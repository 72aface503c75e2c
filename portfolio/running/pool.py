"""Parts done by processes of this machine.

A process of the pool that is killed costs the part that it was at, which another does anew. One whose driver is killed
ends by itself when its part is done: it finds nobody at the other end.
"""

from __future__ import annotations

import pickle
import signal
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from portfolio.errors import LostWorkersError, PortfolioError
from portfolio.reading.spans import Part
from portfolio.running.engine import ATTEMPTS, Listener, lost_too_often
from portfolio.running.receipt import Receipt
from portfolio.running.scoring import Work, score_part

TICK_SECONDS = 0.5

_PROCESSES = get_context("spawn")
"""A process that begins anew has no thread's lock of this one, and none of its files open."""


class Pool:
    """Processes.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, work: Work, parts: Sequence[Part], listener: Listener) -> Generator[Receipt]:
        """See `Engine`."""
        pickled = pickle.dumps(work)
        left, lost = deque(parts), Counter[int]()
        running: dict[Any, _Worker] = {}
        try:
            while left or any(worker.part for worker in running.values()):
                while left and len(running) < self._workers:
                    worker = _Worker(pickled)
                    running[worker.connection] = worker
                    worker.give(left.popleft())
                for connection in wait(list(running), TICK_SECONDS):
                    worker = running[connection]
                    try:
                        told = worker.connection.recv()
                    except (EOFError, OSError):
                        del running[connection]
                        _again(worker, left, lost, listener)
                        continue
                    if isinstance(told, Receipt):
                        yield told
                        worker.part = None
                        if left:
                            worker.give(left.popleft())
                    elif isinstance(told, tuple):
                        assert worker.part is not None
                        listener.at(worker.part.number, *told)
                    else:
                        raise told
                listener.tick()
        finally:
            for worker in running.values():
                worker.end()


def _again(worker: _Worker, left: deque[Part], lost: Counter[int], listener: Listener) -> None:
    """Have another do what a worker that is gone was at."""
    how, part = worker.end(), worker.part
    if part is None:
        return
    listener.lost(part.number)
    lost[part.number] += 1
    if lost[part.number] >= ATTEMPTS:
        raise LostWorkersError(lost_too_often(part, how))
    left.appendleft(part)


class _Worker:
    """A process, and the part that it is at."""

    def __init__(self, pickled: bytes) -> None:
        self.connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(theirs, pickled), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is heard
        self.part: Part | None = None

    def give(self, part: Part) -> None:
        self.part = part
        with suppress(OSError):  # it is gone, which is heard when it is listened to
            self.connection.send(part)

    def end(self) -> str:
        """End it; how it has ended."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        code = self._process.exitcode
        return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"


def _serve(connection: Connection, pickled: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the driver ends its workers
    try:
        work: Work = pickle.loads(pickled)  # noqa: S301  # the driver's, over a pipe of its own
    except PortfolioError as exc:
        work, broken = None, exc  # type: ignore[assignment]
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            part = connection.recv()
            try:
                if work is None:
                    raise broken
                connection.send(score_part(work, part, lambda rows, bad: connection.send((rows, bad))))
            except PortfolioError as exc:
                connection.send(exc)
