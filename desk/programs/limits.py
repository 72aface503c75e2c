"""What a program may take that opens a file which somebody has sent: of the machine's memory, of its time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desk.jobs.job import INPUT

MEMORY = 4 << 30
"""Bytes of address space: many times what a file needs that is as large as one may be, and less than a bomb takes."""

CPU_SECONDS = 1800
NICENESS = 10
"""Those who wait for a decision come first."""


def tell(**document: Any) -> None:
    """A line to the worker."""
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


def run(main: Callable[[Path, list[str]], None]) -> None:
    """Do a program's work, on the job's folder and what else it is called with.

    What a file has is nobody's business but its sender's: of a fault, which goes to the service's log, the place is
    told and no message, for that may quote the file.
    """
    _limit()
    try:
        import pyarrow as pa  # noqa: F401, PLC0415  # only here, past the limits
    except ImportError:
        tell(problems=["this service was installed without pyarrow, which reads files; install requirements.txt anew"])
        return
    from portfolio.errors import PortfolioError  # noqa: PLC0415
    from records.errors import RecordsError  # noqa: PLC0415

    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except PortfolioError as exc:
        # The file's name is none that its sender knows.
        told = [line.removeprefix(f"{sys.argv[1]}/").removeprefix(f"{INPUT}: ") for line in str(exc).splitlines()]
        tell(problems=told)
    except RecordsError as exc:
        tell(problems=str(exc).splitlines())
    except MemoryError:
        tell(problems=["the file takes more memory than there is for it; write it in smaller row groups, or part it"])
    except Exception as exc:  # noqa: BLE001  # told without its message
        frames = traceback.extract_tb(exc.__traceback__)
        places = ", ".join(f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in frames)
        sys.exit(f"{type(exc).__name__} in {places}")


def _limit() -> None:
    """Set them for this process, which ends when its standard input does: with the worker that has begun it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # nobody's data into a file
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # where memory runs out, this process is the one to end, not the service
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
