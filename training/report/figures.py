"""The metrics of a set of PDs with their intervals: `training.metrics`, on weighted rows and many resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from training.evaluation import Rows
from training.metrics import CALIBRATION_BINS, Labels, Metrics, Probabilities, equal_mass_bins
from training.report.resampling import Estimate, Floats, Resamples, Weights, interval

_LEAST = float(np.finfo(np.float64).eps)
"""As far as scikit-learn's log loss keeps a probability from 0 and 1."""


class Quality(NamedTuple):
    """How a part of the applicants fares.

    Attributes:
        roc_auc: among them; NaN where only one label occurs.
        brier: mean squared error of their PDs.
    """

    roc_auc: Estimate
    brier: Estimate


def figures(labels: Labels, pd: Probabilities, folds: Sequence[Rows], resamples: Resamples) -> Mapping[str, Estimate]:
    """Attribute of `Metrics` to its estimate: the mean over folds, since what different models say does not mix.

    Args:
        labels: 1 where the loan defaulted, shape (n,).
        pd: out of fold, shape (n,).
        folds: positions of each fold's rows.
        resamples: of the n rows.
    """
    values, over = [], []
    for fold in folds:
        rows = fold[np.argsort(pd[fold], kind="stable")]
        draws, statistic = resamples.among(rows), weighted(labels[rows], pd[rows])
        values.append(draws.once(statistic))
        over.append(draws.over(statistic))
    drawn = np.mean(over, axis=0)
    found = {
        name: Estimate(float(value), *interval(column))
        for name, value, column in zip(Metrics._fields, np.mean(values, axis=0), drawn.T, strict=True)
    }
    return found | {"ece": _centred(found["ece"], float(np.median(drawn[:, Metrics._fields.index("ece")])))}


class Areas(NamedTuple):
    """The ROC AUC of one model, the mean over folds.

    Attributes:
        here: of the rows as they are.
        over: of each resample, shape (resamples,).
    """

    here: float
    over: Floats

    def above(self, other: Areas) -> Estimate:
        """How much higher it is. Of the same draws, so that what both owe to the rows is not in the interval."""
        return Estimate(self.here - other.here, *interval(self.over - other.over))


def areas(labels: Labels, scores: Floats, folds: Sequence[Rows], resamples: Resamples) -> Areas:
    """The area of scores in any unit; arguments as of `figures`."""
    values, over = [], []
    for fold in folds:
        rows = fold[np.argsort(scores[fold], kind="stable")]
        draws, counts = resamples.among(rows), _counts(labels[rows], scores[rows])

        def statistic(weights: Weights, counts: Callable[[Weights], tuple[Floats, Floats]] = counts) -> Floats:
            goods, bads = counts(weights)
            with np.errstate(invalid="ignore", divide="ignore"):
                return _area(goods, goods.cumsum(axis=1), bads)[:, None]

        values.append(draws.once(statistic)[0])
        over.append(draws.over(statistic)[:, 0])
    return Areas(float(np.mean(values)), np.asarray(np.mean(over, axis=0)))


def quality(labels: Labels, pd: Probabilities, resamples: Resamples) -> Quality:
    """Two of them, of all rows together; arguments as of `figures`."""
    order = np.argsort(pd, kind="stable")
    labels, pd = labels[order], pd[order]
    draws, counts, errors = resamples.among(order), _counts(labels, pd), (pd - labels) ** 2

    def statistic(weights: Weights) -> Floats:
        goods, bads = counts(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            brier = (weights @ errors) / weights.sum(axis=1)
            return np.column_stack([_area(goods, goods.cumsum(axis=1), bads), brier])

    values, over = draws.once(statistic), draws.over(statistic)
    return Quality(*(Estimate(float(value), *interval(column)) for value, column in zip(values, over.T, strict=True)))


def _centred(estimate: Estimate, middle: float) -> Estimate:
    """An interval moved to lie around its value: chance adds to a calibration error, so resamples have more of it."""
    off = middle - estimate.value
    return Estimate(estimate.value, max(0.0, estimate.low - off), estimate.high - off)


def weighted(labels: Labels, pd: Probabilities) -> Callable[[Weights], Floats]:
    """All metrics, in the order of `Metrics`, as a function of the rows' weights; NaN where what it needs has none.

    The bins of the calibration error are those of the rows as they are.

    Args:
        labels: shape (n,).
        pd: rising, shape (n,).
    """
    counts, kept_apart = _counts(labels, pd), np.clip(pd, _LEAST, 1 - _LEAST)
    losses = np.column_stack([(pd - labels) ** 2, -np.log(np.where(labels == 1, kept_apart, 1 - kept_apart))])
    in_bin = np.zeros((len(pd), CALIBRATION_BINS))
    for number, rows in enumerate(equal_mass_bins(pd, CALIBRATION_BINS)):
        in_bin[rows, number] = pd[rows] - labels[rows]

    def statistic(weights: Weights) -> Floats:
        goods, bads = counts(weights)
        bad_up_to, good_up_to = bads.cumsum(axis=1), goods.cumsum(axis=1)
        all_bad, all_good = bad_up_to[:, -1:], good_up_to[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            auc = _area(goods, good_up_to, bads)
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


def _counts(labels: Labels, pd: Probabilities) -> Callable[[Weights], tuple[Floats, Floats]]:
    """Weights to how many goods and bads there are at each PD that occurs, shape (resamples, PDs) each."""
    first, bad = np.flatnonzero(np.diff(pd, prepend=-np.inf)), (labels == 1).astype(np.float64)

    def counts(weights: Weights) -> tuple[Floats, Floats]:
        bads = np.add.reduceat(weights * bad, first, axis=1)
        return np.add.reduceat(weights, first, axis=1) - bads, bads

    return counts


def _area(goods: Floats, good_up_to: Floats, bads: Floats) -> Floats:
    """The ROC AUC: of the pairs of a good and a bad, the share that stands the right way round, and half of ties."""
    return np.asarray(np.einsum("ij,ij->i", good_up_to - goods / 2, bads) / (good_up_to[:, -1] * bads.sum(axis=1)))
