"""What the service does once a second beside answering: carry counts over, and say how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
from prometheus_client import Gauge

from serving import metrics
from serving.drift import DriftCounter
from serving.logs import service_log

SECONDS = 1.0

resident_memory = Gauge(
    "credit_risk_resident_memory_bytes", "Resident memory of all workers.", multiprocess_mode="livesum"
)
memory_limit = Gauge(
    "credit_risk_memory_limit_bytes",
    "The container's memory limit, 0 where there is none.",
    multiprocess_mode="livemax",
)

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_NO_LIMIT = 1 << 60


class Upkeep:
    """The periodic task of one worker."""

    def __init__(self, is_ready: Callable[[], bool], drift: DriftCounter | None) -> None:
        self._is_ready = is_ready
        self._drift = drift
        self._process = psutil.Process()
        memory_limit.set(_memory_limit())
        metrics.start_time.set_to_current_time()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def once(self) -> None:
        """Carry counts over and look at the process."""
        metrics.ready.set(self._is_ready())
        resident_memory.set(self._process.memory_info().rss)
        if self._drift is not None:
            self._drift.flush()

    def stop(self) -> None:
        """Carry the last counts over, and stop."""
        self._task.cancel()
        self.once()

    async def _run(self) -> None:
        while True:
            try:
                self.once()
            except Exception:  # noqa: BLE001  # a fault here must not freeze readiness and drift at their last values
                service_log.exception("upkeep failed")
            await asyncio.sleep(SECONDS)


def _memory_limit() -> int:
    for path in _CGROUP_LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdecimal():
            return int(text) if int(text) < _NO_LIMIT else 0
    return 0
