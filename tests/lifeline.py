"""Whatever a process starts ends with it, however it ends: by SIGKILL, too, which runs no clean-up.

A guard in a session of its own waits for the process at the end of a pipe, and then kills what it finds by a mark in
the environment. So it also finds what a server has started in process groups and sessions of its own, and what has lost
its parent; PR_SET_PDEATHSIG reaches the first generation alone, and SIGTERM asks the rest to be well.

Tests, benchmarks and the demo hold one. A container is a child of its engine, and is not found.
"""

from __future__ import annotations

import atexit
import os
import secrets
import subprocess
import sys
import time
from contextlib import suppress

MARK = "STARTED_BY"


def hold() -> None:
    """From now on, what this process starts with its environment, and what that starts, ends with this process."""
    reading, writing = os.pipe()
    guarded = {name: value for name, value in os.environ.items() if name != MARK}
    mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    guard = subprocess.Popen(
        [sys.executable, __file__, mark],
        # Without another process's mark: that one's end must not be the end of the guard before it has done its work.
        env=guarded,
        stdin=reading,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reading)
    os.environ[MARK] = mark
    owner = os.getpid()

    @atexit.register
    def let_go() -> None:
        if os.getpid() == owner:  # not in a fork, which leaves by the same functions
            os.close(writing)
            guard.wait()


def kill_all(mark: str) -> None:
    """Kill every process with this mark, until there is none: one may start another before it is found."""
    import psutil  # noqa: PLC0415  # a guard that waits needs nothing

    def is_marked(process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.environ().get(MARK) == mark
        return False

    while found := [process for process in psutil.process_iter() if is_marked(process)]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.stdin.read()
    kill_all(sys.argv[1])
