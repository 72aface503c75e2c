"""What a server holds at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.processes import tree, usage

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a server's processes and metrics.

    Attributes:
        requests: sent by then.
        seconds: since the first.
        pss: proportional set size, MiB; shared pages are divided among those that share them.
        rss: resident set size, MiB, of the largest process.
        descriptors: open files and sockets.
        threads: of all processes.
        series: samples in /metrics.
    """

    requests: int
    seconds: float
    pss: float
    rss: float
    descriptors: float
    threads: float
    series: float


FIGURES = ("pss", "rss", "descriptors", "threads", "series")


def processes(pid: int) -> frozenset[int]:
    """The ids of a server's processes: other ones later mean that one has died."""
    return frozenset(process.pid for process in tree(pid))


def look(base: str, pid: int, requests: int, seconds: float) -> Sample:
    """Sample a server that nobody asks anything meanwhile."""
    text = httpx.get(f"{base}/metrics", timeout=60).text
    each = tree(pid)
    return Sample(
        requests=requests,
        seconds=seconds,
        pss=usage(pid).pss / MIB,
        rss=max(process.memory_info().rss for process in each) / MIB,
        descriptors=float(sum(_descriptors(process) for process in each)),
        threads=float(sum(process.num_threads() for process in each)),
        series=float(sum(1 for line in text.splitlines() if line and not line.startswith("#"))),
    )


def _descriptors(process: psutil.Process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
