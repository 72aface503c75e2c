"""What the service does once a second beside answering: carry counts over, and say how it is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from prometheus_client import multiprocess

from serving.telemetry.logs import service_log
from serving.telemetry.metric_files import MetricFiles
from serving.telemetry.metrics import Metrics
from serving.telemetry.tally import Tallies

SECONDS = 1.0

_V2, _V1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")
_CGROUP_LIMITS = (_V2 / "memory.max", _V1 / "memory.limit_in_bytes")
_NO_LIMIT = 1 << 60


class Upkeep:
    """The periodic task of one worker.

    Args:
        tallies: carried over to the metrics.
        metrics: that hold them.
        files: that hold the metrics.
        is_ready: whether the worker is.
        observe: sets the gauges that others know the values of.
    """

    def __init__(
        self,
        tallies: Tallies,
        metrics: Metrics,
        files: MetricFiles,
        is_ready: Callable[[], bool],
        observe: Callable[[], None],
    ) -> None:
        self._tallies = tallies
        self._metrics = metrics
        self._files = files
        self._lost = False
        self._is_ready = is_ready
        self._observe = observe
        self._process = psutil.Process()
        self._limit = _watched_limit()
        _forget_dead_workers()
        metrics.memory_limit.set(self._limit)
        metrics.start_time.set_to_current_time()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def once(self) -> None:
        """Carry counts over, look after the files that hold them, and look at the process."""
        self._tallies.flush()
        self._look()

    def _look(self) -> None:
        self._look_after_files()
        self._metrics.ready.set(self._is_ready())
        self._observe()
        self._metrics.resident_memory.set(self._process.memory_info().rss)
        self._metrics.memory_used.set(_memory_used() if self._limit else 0)

    def _look_after_files(self) -> None:
        self._files.look()
        fault = self._files.fault()
        lost = fault is not None
        self._metrics.lost.set(lost)
        if lost and not self._lost:
            reason = f"{type(fault).__name__}: {fault}"
            service_log.warning(
                "metrics are lost to other workers: their files can't be used; this process keeps its own",
                extra={"data": {"reason": reason, "folder": os.environ.get("PROMETHEUS_MULTIPROC_DIR")}},
            )
        elif self._lost and not lost:
            service_log.warning("metrics are all in their files again")
        self._lost = lost

    def stop(self) -> None:
        """Carry the last counts over, and stop."""
        self._task.cancel()
        self.once()

    async def _run(self) -> None:
        while True:
            try:
                for _ in self._tallies.parts():
                    await asyncio.sleep(0)
                self._look()
            except Exception:  # noqa: BLE001  # a fault here must not freeze readiness and counts at their last values
                service_log.exception("upkeep failed")
            await asyncio.sleep(SECONDS)


def _forget_dead_workers() -> None:
    """Drop the gauges of workers that are gone: they would say for ever what they said last, "not ready" included."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob("gauge_live*_*.db") if folder else ():
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            with suppress(OSError):  # on a disk that can't be written to they stay
                multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no types


def _watched_limit() -> int:
    """The container's limit, 0 where there is none, or none that can be watched: then the log says so, once."""
    if sys.platform != "linux":
        service_log.info("no memory limit is watched: not Linux", extra={"data": {"platform": sys.platform}})
        return 0
    try:
        if limit := _memory_limit():
            _memory_used()
    except (OSError, ValueError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
        service_log.warning(
            "no memory limit is watched: /sys/fs/cgroup can't be read", extra={"data": {"reason": reason}}
        )
        return 0
    return limit


def _memory_limit() -> int:
    for path in _CGROUP_LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdecimal():
            return int(text) if int(text) < _NO_LIMIT else 0
    return 0


def _memory_used() -> int:
    """The container's memory but for file pages that the kernel would give back: BentoML's supervisor included."""
    for group, current in ((_V2, "memory.current"), (_V1, "memory.usage_in_bytes")):
        if (group / current).is_file():
            stat = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
            inactive = stat.get("total_inactive_file") or stat.get("inactive_file") or "0"
            return int((group / current).read_text()) - int(inactive)
    return 0
