"""How often one caller may come, and how many lines refusals may fill."""

from __future__ import annotations

import math

MANY = 10_000
"""Callers kept in mind before those are forgotten that could come again at once."""


class Rate:
    """Requests per second of each caller, a second's worth of them at once (the generic cell rate algorithm).

    Args:
        per_second: what is allowed; None for as many as come.
    """

    def __init__(self, per_second: float | None) -> None:
        self.limited = per_second is not None
        self._interval = 1 / per_second if per_second is not None else 0.0
        self._slack = max(1.0, self._interval)
        self._next: dict[str, float] = {}

    def wait(self, caller: str, now: float) -> int:
        """Seconds after which the caller may come again, whole ones; 0 where this request is counted and may go on.

        Args:
            caller: who comes.
            now: seconds of a clock that only goes forward.
        """
        due = max(self._next.get(caller, 0.0), now) + self._interval
        # Sums of intervals are off by their rounding; a billionth of a second is nobody's request.
        if due - now > self._slack + 1e-9:
            return math.ceil(due - now - self._slack)
        self._next[caller] = due
        if len(self._next) > MANY:
            self._forget(now)
        return 0

    def _forget(self, now: float) -> None:
        kept = {caller: due for caller, due in self._next.items() if due > now}
        # All of them came within the last second: then some begin anew, rather than that memory grows.
        self._next = kept if len(kept) <= MANY // 2 else dict(list(kept.items())[-MANY // 2 :])


class Sparing:
    """Says which of many like events get a line: the first few of each second.

    Args:
        per_second: how many.
    """

    def __init__(self, per_second: int) -> None:
        self._most = per_second
        self._second = -1
        self._told = 0
        self._left_out = 0

    def take(self, now: float) -> int | None:
        """How many were left out since the last line, where this one gets a line; None where it gets none."""
        if (second := int(now)) != self._second:
            self._second, self._told = second, 0
        if self._told >= self._most:
            self._left_out += 1
            return None
        self._told += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
