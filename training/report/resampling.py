"""Intervals by bootstrap: what else a figure might have been, had other applicants of the same kind come.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: percentiles of the figure over resamples.
Rows that must stay on one side of a split are drawn together, since they are hardly two pieces of evidence. What is
drawn anew are the out-of-fold PDs; that other data would also have made another model is not in the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500
SEED = 2026
LEVEL = 0.95

Floats = NDArray[np.float64]
Weights = NDArray[np.float64]
"""How often each row was drawn, shape (resamples, n)."""

_CELLS = 2_000_000
"""Weights held at a time: 16 MB."""

_Z = 1.959963984540054
"""The standard normal distribution's 97.5th percentile."""


class Estimate(NamedTuple):
    """A figure with its interval.

    Attributes:
        value: of the rows as they are.
        low: where the interval begins; NaN where there is none.
        high: where it ends.
    """

    value: float
    low: float
    high: float

    def excludes(self, other: float) -> bool:
        """Whether another value lies outside the interval."""
        return other < self.low or other > self.high


@dataclass(frozen=True, slots=True)
class Resamples:
    """The draws, the same for every figure.

    Attributes:
        counts: how often each group was drawn, shape (resamples, groups).
        of_row: the group of each row, shape (n,).
    """

    counts: NDArray[np.uint8]
    of_row: NDArray[np.intp]

    @classmethod
    def drawn(cls, groups: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = SEED) -> Self:
        """Draw as many groups as there are, with replacement, again and again.

        Args:
            groups: of the rows, drawn as a whole, shape (n,).
            resamples: how many times.
            seed: of the draws.
        """
        rng = np.random.default_rng(seed)
        _, of_row = np.unique(groups, return_inverse=True)
        count = int(of_row.max()) + 1
        # A byte each: that a group is drawn more than 255 times takes a few groups and more draws than there are.
        counts = np.empty((resamples, count), dtype=np.uint8)
        for draw in counts:
            draw[:] = np.minimum(np.bincount(rng.integers(0, count, count), minlength=count), 255)
        return cls(counts, of_row)

    def among(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The same draws, of these rows in this order."""
        return replace(self, of_row=self.of_row[rows])

    def over(self, statistic: Callable[[Weights], Floats]) -> Floats:
        """A statistic of every resample, shape (resamples, k): from weights of shape (m, n) to values of (m, k)."""
        at_a_time = max(1, _CELLS // len(self.of_row))
        chunks = (self.counts[start : start + at_a_time] for start in range(0, len(self.counts), at_a_time))
        return np.concatenate([statistic(chunk[:, self.of_row].astype(np.float64)) for chunk in chunks])

    def once(self, statistic: Callable[[Weights], Floats]) -> Floats:
        """The statistic of the rows as they are, shape (k,)."""
        values: Floats = statistic(np.ones((1, len(self.of_row))))[0]
        return values


def interval(values: Floats) -> tuple[float, float]:
    """The interval between which `LEVEL` of the values lie; NaN where fewer than half of the resamples have one."""
    there = values[~np.isnan(values)]
    if 2 * len(there) <= len(values):
        return math.nan, math.nan
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(successes: float, rows: int) -> tuple[float, float]:
    """The interval of a share among independent rows (Wilson, "Probable Inference", 1927)."""
    if rows == 0:
        return math.nan, math.nan
    share, z = successes / rows, _Z**2 / rows
    centre = (share + z / 2) / (1 + z)
    half = math.sqrt(share * (1 - share) * z + z * z / 4) / (1 + z)
    return max(0.0, centre - half), min(1.0, centre + half)


def share(successes: float, rows: int, over: Floats) -> Estimate:
    """A share with the wider of the two intervals on each side.

    The bootstrap knows of rows that go together, but has no interval for none or all of the rows; Wilson's has.
    """
    (low, high), (least, most) = interval(over), wilson(successes, rows)
    if math.isnan(low):
        low, high = least, most
    return Estimate(successes / rows if rows else math.nan, min(low, least), max(high, most))
