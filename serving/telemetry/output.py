"""Standard output, which may fail: its disk is full, or nobody reads it any more.

Python's own stream keeps what it could not write, tears lines, and when it is flushed at the end of the process fails
once more, or waits for ever for a reader that has stalled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

STANDARD_OUTPUT = 1


class Output:
    """Writes whole lines to a file descriptor."""

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self._descriptor = descriptor
        self._torn = b""

    def write(self, lines: Sequence[bytes]) -> int:
        """Write lines, in the end as many as can be; returns how many of the last are lost.

        The rest of a line that was half written is written before anything else, so that no line is torn.
        """
        data = self._torn + b"\n".join((*lines, b""))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, memoryview(data)[written:])
        except OSError:  # it may pass
            pass
        else:
            self._torn = b""
            return 0
        in_a_line = data[written - 1 : written] != b"\n" if written else bool(self._torn)
        end = data.index(b"\n", written) + 1 if in_a_line else written
        self._torn = data[written:end]
        return data.count(b"\n", end)
