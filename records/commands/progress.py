"""How far a command has come, on a terminal; nothing anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_SECONDS = 0.2
"""Between two looks at it."""

_WIDTH = 30


class Progress:
    """A line that is written over and over, and gone in the end.

    Args:
        unit: what is counted.
        total: how many there are; None where that isn't known.
        stream: where to.
    """

    def __init__(self, unit: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self._unit = unit
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._started = self._told = time.monotonic()
        self.done = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave an empty line."""
        self.clear()

    def add(self, number: int = 1) -> None:
        """So many more are done."""
        self.done += number
        now = time.monotonic()
        if self._shown and now - self._told >= _SECONDS:
            self._told = now
            self._write(self.line(now - self._started))

    def clear(self) -> None:
        """Make room for what is printed."""
        self._write("")

    def line(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        rate = self.done / seconds if seconds else 0.0
        if not self._total:
            return f"{self.done:,} {self._unit}, {rate:,.0f} a second"
        part = min(1.0, self.done / self._total)
        left = f", {(self._total - self.done) / rate:,.0f} s left" if rate else ""
        bar = "#" * int(part * _WIDTH)
        return f"[{bar:<{_WIDTH}}] {part:4.0%} of {self._total:,} {self._unit}, {rate:,.0f} a second{left}"

    def _write(self, line: str) -> None:
        if self._shown:
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()
