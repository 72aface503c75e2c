"""The metrics of a set of PDs with their intervals: `training.metrics`, on weighted rows and many resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from training.metrics import CALIBRATION_BINS, Labels, Metrics, Probabilities, equal_mass_bins
from training.report.resampling import Estimate, Floats, Resamples, Weights, interval

_LEAST = float(np.finfo(np.float64).eps)
"""As far as scikit-learn's log loss keeps a probability from 0 and 1."""


def figures(labels: Labels, pd: Probabilities, resamples: Resamples) -> Mapping[str, Estimate]:
    """Attribute of `Metrics` to its estimate over all rows together.

    Args:
        labels: 1 where the loan defaulted, shape (n,).
        pd: shape (n,).
        resamples: of the n rows.
    """
    statistic = weighted(labels, pd)
    values, over = resamples.once(statistic), resamples.over(statistic)
    found = {
        name: Estimate(float(value), *interval(column))
        for name, value, column in zip(Metrics._fields, values, over.T, strict=True)
    }
    return found | {"ece": _centred(found["ece"], float(np.median(over[:, Metrics._fields.index("ece")])))}


def _centred(estimate: Estimate, middle: float) -> Estimate:
    """An interval moved to lie around its value: chance adds to a calibration error, so resamples have more of it."""
    off = middle - estimate.value
    return Estimate(estimate.value, max(0.0, estimate.low - off), estimate.high - off)


def weighted(labels: Labels, pd: Probabilities) -> Callable[[Weights], Floats]:
    """All metrics, in the order of `Metrics`, as a function of the rows' weights; NaN where what it needs has none.

    The bins of the calibration error are those of the rows as they are.
    """
    order = np.argsort(pd, kind="stable")
    first = np.flatnonzero(np.diff(pd[order], prepend=-np.inf))
    bad = (labels[order] == 1).astype(np.float64)
    kept_apart = np.clip(pd, _LEAST, 1 - _LEAST)
    losses = np.column_stack([(pd - labels) ** 2, -np.log(np.where(labels == 1, kept_apart, 1 - kept_apart))])
    in_bin = np.zeros((len(pd), CALIBRATION_BINS))
    for number, rows in enumerate(equal_mass_bins(pd, CALIBRATION_BINS)):
        in_bin[rows, number] = pd[rows] - labels[rows]

    def statistic(weights: Weights) -> Floats:
        drawn = weights[:, order]
        bads = np.add.reduceat(drawn * bad, first, axis=1)
        goods = np.add.reduceat(drawn, first, axis=1) - bads
        bad_up_to, good_up_to = bads.cumsum(axis=1), goods.cumsum(axis=1)
        all_bad, all_good = bad_up_to[:, -1:], good_up_to[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            auc = ((good_up_to - goods / 2) * bads).sum(axis=1) / (all_bad * all_good)[:, 0]
            gap = np.abs(bad_up_to / all_bad - good_up_to / all_good).max(axis=1)
            caught = all_bad - bad_up_to + bads
            alarmed = caught + all_good - good_up_to + goods
            precision = np.divide(caught, alarmed, out=np.zeros_like(caught), where=alarmed > 0)
            average = (bads * precision).sum(axis=1) / all_bad[:, 0]
            rows = weights.sum(axis=1)
            brier, log_loss = (weights @ losses / rows[:, None]).T
            ece = np.abs(weights @ in_bin).sum(axis=1) / rows
        return np.column_stack([auc, average, gap, 2 * auc - 1, brier, log_loss, ece])

    return statistic
