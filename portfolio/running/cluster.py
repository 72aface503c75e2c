"""Parts done by tasks of a Ray cluster: one that is there, or one that is started on this machine.

A task whose worker or node is lost is done anew by another, by Ray itself. Tasks hold nothing but what they are given:
all that they leave behind is files, so that one that is done twice does no harm.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections import Counter, deque
from collections.abc import Generator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from portfolio.errors import EngineError, LostWorkersError, PortfolioError
from portfolio.reading.spans import Part
from portfolio.running.code import ROOT, code_digest
from portfolio.running.engine import ATTEMPTS, Listener, lost_too_often
from portfolio.running.receipt import Receipt
from portfolio.running.scoring import Work, score_part

TICK_SECONDS = 0.5
CONNECT_SECONDS = 10
WAITING = 2
"""Parts for each CPU that are handed out, so that none waits for the driver."""

_LEAST = 4
"""Parts that are handed out where no CPU is there yet."""

NODE_ATTEMPTS = 10
"""Nodes that a part may cost; they are taken away where they are cheap, and that says nothing of the part."""


class Cluster:
    """A Ray cluster.

    Args:
        address: `ray://host:port`, host:port, or None for the one that RAY_ADDRESS names, or else a new one here.
        workers: CPUs of a new one.
    """

    def __init__(self, address: str | None, workers: int) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._workers = workers

    def run(self, work: Work, parts: Sequence[Part], listener: Listener) -> Generator[Receipt]:
        """See `Engine`."""
        ray = self._connected()
        try:
            yield from _Tasks(ray, work, listener).run(parts)
        finally:
            ray.shutdown()

    def _connected(self) -> Any:
        # Before it is imported: Ray sends statistics of its use to its makers unless it is told not to.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            ray: Any = import_module("ray")  # an extra, which the service's image does without
        except ImportError:
            raise EngineError("--engine ray: Ray isn't installed here; pip install -r requirements-ray.txt") from None
        if self._address is not None:
            _check_reachable(self._address)
        here = {"num_cpus": self._workers, "include_dashboard": False} if self._address is None else {}
        try:
            ray.init(
                address=self._address,
                log_to_driver=False,
                logging_level="WARNING",
                # Workers elsewhere have the code where this machine has it, as in the same image.
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}},
                **here,
            )
        except Exception as exc:
            raise EngineError(_not_started(exc) if self._address is None else _unreachable(self._address, exc)) from exc
        return ray


def _check_reachable(address: str) -> None:
    """Ray itself would end the process, after a minute and with a page of text."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # such as "auto", which Ray looks up
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as exc:
        raise EngineError(_unreachable(address, exc)) from None


def _unreachable(address: str, exc: Exception) -> str:
    why = (exc.strerror if isinstance(exc, OSError) else None) or str(exc).partition("\n")[0] or type(exc).__name__
    return f"--engine: no Ray cluster can be reached at {address} ({why}); start one, or name another"


def _not_started(exc: Exception) -> str:
    why = str(exc).partition("\n")[0] or type(exc).__name__
    return (
        f"--engine ray: Ray didn't start on this machine ({why}); its agents have 15 seconds, too few where others are "
        "at work: try again, name a cluster that is there, or leave --engine out"
    )


class _Tasks:
    """What is handed out, and who has it."""

    def __init__(self, ray: Any, work: Work, listener: Listener) -> None:
        self._ray, self._listener = ray, listener
        self._task = ray.remote(num_cpus=1, max_retries=NODE_ATTEMPTS)(_score)
        self._work = ray.put(pickle.dumps(work))
        self._code = code_digest()
        self._running: dict[Any, Part] = {}
        self._lost = Counter[int]()

    def run(self, parts: Sequence[Part]) -> Generator[Receipt]:
        left = deque(parts)
        while left or self._running:
            while left and len(self._running) < self._most():
                part = left.popleft()
                self._running[self._task.remote(self._work, part, self._code)] = part
            ready, _ = self._ray.wait(list(self._running), timeout=TICK_SECONDS)
            for reference in ready:
                part = self._running.pop(reference)
                receipt = self._receipt(reference, part)
                if receipt is None:
                    left.appendleft(part)
                else:
                    self._listener.at(part.number, receipt.rows, receipt.quarantined)
                    yield receipt
            self._listener.tick()

    def _most(self) -> int:
        return max(_LEAST, WAITING * int(self._ray.cluster_resources().get("CPU", 0)))

    def _receipt(self, reference: Any, part: Part) -> Receipt | None:
        """What has come of a task; None where its worker is lost for good, and another has to begin anew."""
        try:
            told: Receipt | PortfolioError = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise  # a fault of the code, with its traceback
        except self._ray.exceptions.RayError as exc:
            self._listener.lost(part.number)
            self._lost[part.number] += 1
            if self._lost[part.number] >= ATTEMPTS:
                raise LostWorkersError(lost_too_often(part, f"as {type(exc).__name__}")) from None
            return None
        if isinstance(told, PortfolioError):
            raise told
        return told


def _score(work: bytes, part: Part, code: str) -> Receipt | PortfolioError:
    """A task. What is wrong with the input is an answer too: Ray would wrap it."""
    try:
        if code_digest() != code:
            raise EngineError(
                f"a node of the cluster has other code in {ROOT} than this machine; give all the same image"
            )
        return score_part(_opened(work), part)
    except PortfolioError as exc:
        return exc


@lru_cache(1)
def _opened(work: bytes) -> Work:
    """A process opens the model once, not for every part."""
    opened: Work = pickle.loads(work)  # noqa: S301  # the driver's; who reaches the cluster runs code there anyway
    return opened
