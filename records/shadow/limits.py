"""What a challenger's process may take: processor time that nobody else wants, and so much memory."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

MEMORY_BYTES = 512 * 1024 * 1024
"""Address space. The project's own model takes 230 MB of it, 140 MB of them resident at most."""

OUT_OF_MEMORY = 70
"""What the process ends with when that is not enough."""

_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "1000"


def stay_small(memory_bytes: int) -> None:
    """Take no more memory than this, and end with who started this. To be called before anything is allocated."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold applications and keys
    # Whom else to ask to go, the service decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        with suppress(OSError):  # where the container's memory ends, this ends
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def come_last() -> None:
    """Run when nobody else on the machine wants to: whoever wakes up takes the processor from this at once."""
    os.nice(19)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def seconds_waited_for(pid: int) -> float:
    """How long a process has been ready to run while others ran; 0 where the system doesn't say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
