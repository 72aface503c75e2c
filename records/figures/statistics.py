"""Intervals and distances, by formulas with names. Intervals are at 95% where nothing else is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_Z = 1.959963984540054
"""Quantile of the normal distribution at 97.5%."""

PSI_BINS = 10

LEAST_SHARE = 1e-4
"""Of a bin, so that an empty one counts for much but not for infinitely much."""

LEAST_VALUES = 1000
"""Fewer in ten bins would be some 0.01 apart by chance alone."""


class Estimate(NamedTuple):
    """A value with the interval that it may well lie in; NaN where there is nothing to tell it from.

    Attributes:
        value: of these decisions.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


NOTHING = Estimate(math.nan, math.nan, math.nan)


def share(number: int, of: int, quantile: float = _Z) -> Estimate:
    """A share among independent decisions (Wilson, "Probable Inference", 1927).

    Args:
        number: decisions that are in it.
        of: all decisions.
        quantile: of the normal distribution, which sets how sure the interval is; without it, 95%.
    """
    if of == 0:
        return NOTHING
    value, z = number / of, quantile**2 / of
    centre = (value + z / 2) / (1 + z)
    half = math.sqrt(value * (1 - value) * z + z * z / 4) / (1 + z)
    return Estimate(value, max(0.0, centre - half), min(1.0, centre + half))


def paired_difference(gained: int, lost: int, of: int) -> Estimate:
    """How much larger a share is the second time, of the same decisions (Agresti and Min, "Simple improved confidence
    intervals for comparing matched proportions", 2005).

    Args:
        gained: decisions that are in it the second time only.
        lost: those that are in it the first time only.
        of: all decisions.
    """  # noqa: D205  # the source's title is long
    if of == 0:
        return NOTHING
    more, fewer, all_of_them = gained + 0.5, lost + 0.5, of + 2
    centre = (more - fewer) / all_of_them
    half = _Z * math.sqrt(max(0.0, (more + fewer) / all_of_them - centre**2) / all_of_them)
    return Estimate((gained - lost) / of, max(-1.0, centre - half), min(1.0, centre + half))


def mean(values: Floats) -> Estimate:
    """A mean, of enough values for it to be normally distributed."""
    if len(values) < 2:  # of one there is no spread
        return NOTHING
    centre, half = float(values.mean()), _Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(centre, centre - half, centre + half)


def mean_of_sums(total: float, squares: float, n: int) -> Estimate:
    """The same of values of which only the sum is known, and that of their squares."""
    if n < 2:
        return NOTHING
    centre = total / n
    half = _Z * math.sqrt(max(0.0, squares / n - centre**2) / (n - 1))
    return Estimate(centre, centre - half, centre + half)


def stability_index(before: Floats, now: Floats) -> float:
    """Population stability index over the tenths of `before`; half a value more in each bin, so that none is empty."""
    if len(before) == 0 or len(now) == 0:
        return math.nan
    edges = np.unique(np.quantile(before, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))
    shares = []
    for values in (before, now):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    expected, actual = shares
    return float(((actual - expected) * np.log(actual / expected)).sum())


def population_shift(expected: Sequence[float], counts: NDArray[np.int64]) -> float:
    """Population stability index over given bins, as the alert on drift computes it; NaN of fewer than `LEAST_VALUES`.

    Args:
        expected: share of each bin.
        counts: values found in each bin.
    """
    if counts.sum() < LEAST_VALUES:
        return math.nan
    here, there = np.maximum(counts / counts.sum(), LEAST_SHARE), np.maximum(expected, LEAST_SHARE)
    return float(((here - there) * np.log(here / there)).sum())


def auc_pair(first: Floats, second: Floats, defaulted: NDArray[np.bool_]) -> tuple[Estimate, Estimate, Estimate]:
    """Areas under two ROC curves of the same decisions, and by how much the second is larger.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", 1988.
    """
    bad, good = int(defaulted.sum()), int((~defaulted).sum())
    if min(bad, good) < 2:  # of one there is no spread
        return NOTHING, NOTHING, NOTHING
    # How much of the other kind each decision is rightly ordered against; of one kind their mean is the area.
    of_bad, of_good = np.empty((2, bad)), np.empty((2, good))
    for i, scores in enumerate((first, second)):
        among_all = _midranks(scores)
        of_bad[i] = (among_all[defaulted] - _midranks(scores[defaulted])) / good
        of_good[i] = 1 - (among_all[~defaulted] - _midranks(scores[~defaulted])) / bad
    areas = of_bad.mean(axis=1)
    covariance = np.cov(of_bad) / bad + np.cov(of_good) / good
    one, two = (_around(float(areas[i]), covariance[i, i], 0.0, 1.0) for i in range(2))
    spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return one, two, _around(float(areas[1] - areas[0]), spread, -1.0, 1.0)


def _around(value: float, variance: float, least: float, most: float) -> Estimate:
    half = _Z * math.sqrt(max(0.0, float(variance)))
    return Estimate(value, max(least, value - half), min(most, value + half))


def plain(value: Any) -> Any:
    """Values within tuples, lists and dictionaries as JSON has them: an estimate by name, and no NaN but null."""
    if isinstance(value, Estimate):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _midranks(values: Floats) -> Floats:
    """Ranks from 1 on; those of equal values are their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Floats = (last - (counts - 1) / 2)[place]
    return middle
