"""How far the work has come: a bar on a terminal, a line a minute anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

BAR_SECONDS = 0.2
LINE_SECONDS = 60.0
"""Between two looks at it: on a terminal, and where lines are kept."""

_WIDTH = 30


class Progress:
    """Rows, rows a second, time left and bad rows.

    Args:
        total: rows of the input.
        done: rows that were done before.
        bad: of these, those without an answer.
        stream: where to.
        quiet: say nothing.
    """

    def __init__(
        self, total: int, done: int = 0, bad: int = 0, *, stream: TextIO | None = None, quiet: bool = False
    ) -> None:
        self._total, self._before, self._done, self._bad = total, done, done, bad
        self._stream = sys.stderr if stream is None else stream
        self._bar = self._stream.isatty()
        self._quiet = quiet
        self._parts: dict[int, tuple[int, int]] = {}
        self._started = self._told = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave an empty line."""
        if self._bar and not self._quiet:
            self._write("\r\x1b[K")

    def at(self, part: int, rows: int, bad: int) -> None:
        """See `Listener`."""
        self._parts[part] = rows, bad
        self.tick()

    def lost(self, part: int) -> None:
        """See `Listener`."""
        self._parts.pop(part, None)
        self.tick()

    def finished(self, part: int, rows: int, bad: int) -> None:
        """A part is done."""
        self._parts.pop(part, None)
        self._done += rows
        self._bad += bad
        self.tick()

    def tick(self) -> None:
        """Say it, if it is time."""
        now = time.monotonic()
        if not self._quiet and now - self._told >= (BAR_SECONDS if self._bar else LINE_SECONDS):
            self._told = now
            line = self.line(now - self._started)
            self._write(f"\r\x1b[K{line}" if self._bar else f"{line}\n")

    def line(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        rows = self._done + sum(rows for rows, _ in self._parts.values())
        bad = self._bad + sum(bad for _, bad in self._parts.values())
        rate = (rows - self._before) / seconds if seconds else 0.0
        share = rows / self._total if self._total else 1.0
        left = f", {_time((self._total - rows) / rate)} left" if rate else ""
        bar = f"[{'#' * int(share * _WIDTH):<{_WIDTH}}] " if self._bar else ""
        return f"{bar}{share:4.0%} of {self._total:,} rows, {rate:,.0f} a second{left}, {bad:,} bad"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _time(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
