"""Learn a calibration from margins of rows that the model did not see.

A logistic one (Platt 1999), a slope and an intercept, is not enough where directions bend the margin: on today's loan
book it leaves the expected calibration error at twice what a curve with ten knots does. So the calibration is
piecewise linear in log-odds, of least log loss, with slopes above 0.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from scoring.calibration import Calibration
from training.metrics import Labels

MOST_KNOTS = 10
ROWS_PER_KNOT = 100
"""Rows of the scarcer label that each knot needs."""

LEAST_SLOPE, GREATEST_SLOPE = 0.05, 20.0
RIDGE = 0.3
"""What a squared distance of 1 of a slope from 1 costs, in nats of all rows together; settles what no row does."""


def learned(margins: NDArray[np.float64], labels: Labels) -> Calibration:
    """The calibration of least log loss.

    Args:
        margins: out of fold, shape (n,).
        labels: 1 where the loan defaulted, shape (n,).
    """
    scarcer = min(int(labels.sum()), len(labels) - int(labels.sum()))
    count = min(MOST_KNOTS, max(1, scarcer // ROWS_PER_KNOT))
    knots = np.unique(np.quantile(margins, np.arange(1, count + 1) / (count + 1)).round(6))
    # What each segment's slope is multiplied by: a margin's way within it, from the first knot.
    ways = np.column_stack(
        [np.minimum(margins - knots[0], 0)]
        + [np.clip(margins, low, high) - low for low, high in pairwise(knots)]
        + [np.maximum(margins - knots[-1], 0)]
    )

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_odds = weights[0] + ways @ weights[1:]
        error = expit(log_odds) - labels
        off = weights[1:] - 1
        loss = np.logaddexp(0, log_odds).sum() - labels @ log_odds + RIDGE * off @ off
        return float(loss), np.append(error.sum(), ways.T @ error + 2 * RIDGE * off)

    start = np.ones(1 + ways.shape[1])
    start[0] = knots[0]
    bounds = [(None, None), *[(LEAST_SLOPE, GREATEST_SLOPE)] * ways.shape[1]]
    best = minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 1000})
    first, slopes = float(best.x[0]), best.x[1:]
    values = first + np.concatenate([[0.0], np.cumsum(slopes[1:-1] * np.diff(knots))])
    return Calibration(
        format=1,
        knots=knots.tolist(),
        # Six digits: the last ones of a sum may depend on how many threads shared it.
        values=values.round(6).tolist(),
        slope_below=round(float(slopes[0]), 6),
        slope_above=round(float(slopes[-1]), 6),
    )


def cross_fitted(margins: NDArray[np.float64], labels: Labels, folds: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Calibrated log-odds of each fold's rows, by a calibration of all other folds' rows.

    Args:
        margins: out of fold, shape (n,).
        labels: shape (n,).
        folds: positions of each fold's rows, which share the n out among them.
    """
    log_odds = np.empty(len(margins))
    for rows in folds:
        others = np.setdiff1d(np.arange(len(margins)), rows)
        log_odds[rows] = learned(margins[others], labels[others]).apply(margins[rows])
    return log_odds
