"""Intervals by bootstrap: what else a figure might have been, had other applicants of the same kind come.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: percentiles of the figure over resamples.
Rows that must stay on one side of a split are drawn together, since they are hardly two pieces of evidence. What is
drawn anew are the out-of-fold PDs; that other data would also have made another model is not in the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

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


def resampled(
    groups: NDArray[np.int64], statistic: Callable[[Weights], Floats], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """Statistics of resamples, shape (resamples, k).

    Args:
        groups: of the rows, drawn as a whole, shape (n,).
        statistic: weights of shape (m, n) to values of shape (m, k).
        resamples: how many.
        seed: of the draws.
    """
    return np.concatenate([statistic(weights) for weights in _draws(groups, resamples, seed)])


def estimates(
    groups: NDArray[np.int64], statistic: Callable[[Weights], Floats], *, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Estimate]:
    """The k values of a statistic on the rows as they are, each with its interval; arguments as of `resampled`."""
    values = statistic(np.ones((1, len(groups))))[0]
    over = resampled(groups, statistic, resamples=resamples, seed=seed)
    return [Estimate(float(value), *interval(column)) for value, column in zip(values, over.T, strict=True)]


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


def _draws(groups: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Weights]:
    rng = np.random.default_rng(seed)
    _, of_row = np.unique(groups, return_inverse=True)
    count = int(of_row.max()) + 1
    at_a_time = max(1, _CELLS // len(groups))
    for start in range(0, resamples, at_a_time):
        rounds = min(at_a_time, resamples - start)
        drawn = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(rounds)])
        yield drawn[:, of_row].astype(np.float64)
