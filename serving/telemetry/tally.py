"""Counts, and gauges that follow requests, made in plain numbers.

They are carried over to the metrics once a second, before a scrape, and at the end. To write one series of
prometheus_client's shared files takes a microsecond and more, and each answer would write some twenty of them. A worker
that is killed takes the counts of its last second with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from prometheus_client import Counter, Gauge, Histogram

CARRIED_AT_ONCE = 8
"""Tallies carried over before other work gets its turn: a histogram has a dozen series, of some microseconds each."""


class Observer(Protocol):
    """Takes single values."""

    def observe(self, amount: float) -> None:
        """Count one value."""


class Tally:
    """A counter's, or the ups and downs of a gauge."""

    __slots__ = ("_pending", "_series")

    def __init__(self, series: Counter | Gauge) -> None:
        self._series = series
        self._pending = 0

    def add(self, number: int = 1) -> None:
        """Count this many, in a gauge also fewer than none."""
        self._pending += number

    def carry(self) -> None:
        """Carry over what has been counted."""
        if self._pending:
            self._series.inc(self._pending)
            self._pending = 0


class _HistogramTally:
    """A histogram's. prometheus_client has no public way to add more than one value at a time."""

    __slots__ = ("_bounds", "_buckets", "_numbers", "_sum", "_total")

    def __init__(self, series: Any) -> None:
        self._bounds: list[float] = series._upper_bounds  # noqa: SLF001  # see above; `histogram` does without them
        self._buckets = series._buckets  # noqa: SLF001  # the same
        self._total = series._sum  # noqa: SLF001  # the same
        self._numbers = [0] * len(self._buckets)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        self._numbers[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    def carry(self) -> None:
        for i, number in enumerate(self._numbers):
            if number:
                self._buckets[i].inc(number)
                self._numbers[i] = 0
        if self._sum:
            self._total.inc(self._sum)
            self._sum = 0.0


class Tallies:
    """All tallies of a process, to be carried over together."""

    def __init__(self) -> None:
        self._carriers: list[Callable[[], None]] = []

    def tally(self, series: Counter | Gauge) -> Tally:
        """A series' tally."""
        made = Tally(series)
        self.carry_over(made.carry)
        return made

    def histogram(self, series: Histogram) -> Observer:
        """A histogram's tally, or the series itself where prometheus_client is made otherwise than it was."""
        try:
            made = _HistogramTally(series)
        except AttributeError:
            return series
        self.carry_over(made.carry)
        return made

    def carry_over(self, carrier: Callable[[], None]) -> None:
        """Have this called whenever counts are to be carried over."""
        self._carriers.append(carrier)

    def flush(self) -> None:
        """Carry over what has been counted. To be called from the event loop's thread, as all counting."""
        for _ in self.parts():
            pass

    def parts(self) -> Iterator[None]:
        """The same in parts, between which others may have their turn."""
        for number, carrier in enumerate(tuple(self._carriers), 1):
            carrier()
            if number % CARRIED_AT_ONCE == 0:
                yield
