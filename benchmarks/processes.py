"""What a server's processes have used, by the kernel's accounting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """A process tree's use so far.

    Attributes:
        cpu: seconds of user and system time, all processes.
        worker_cpu: the same, of the process that used most.
        pss: proportional set size of all processes, bytes.
        worker_pss: the same, of the process that used most CPU time.
    """

    cpu: float
    worker_cpu: float
    pss: int
    worker_pss: int


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def usage(pid: int) -> Usage:
    """What a process tree has used so far; processes that have ended are not counted."""
    each = [(_cpu(process), _pss(process)) for process in tree(pid)]
    worker = max(each)
    return Usage(sum(cpu for cpu, _ in each), worker[0], sum(pss for _, pss in each), worker[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, seconds; a process that ends between two calls is lost."""
    return sum(map(_cpu, tree(pid)))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _pss(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
