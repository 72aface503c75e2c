"""A points scorecard: what a lender had before, and a second line compares with.

Each field in bins, each bin counting as its weight of evidence, and a logistic regression over those (Siddiqi, "Credit
Risk Scorecards", 2006, chapter 6). Points are on the policy's scale, so that they add up to a credit score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from decision.score import ScoreScale
from training.metrics import Labels, Probabilities

BINS = 10
"""Bins of equal mass of a number, fewer where its values are few."""

SMOOTHING = 0.5
"""Added to the goods and the bads of a bin, so that none has an infinite weight."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Binning:
    """One field in bins: where its number lies, or else which of its flags is set.

    Attributes:
        numbers: positions of its columns that hold a number.
        flags: positions of its columns that are 0 or 1.
        edges: of the bins of each number, inner ones only.
        weights: bin to weight of evidence for default.
    """

    numbers: tuple[int, ...]
    flags: tuple[int, ...]
    edges: tuple[NDArray[np.float64], ...]
    weights: Mapping[tuple[int, ...], float]

    def values(self, matrix: Matrix) -> NDArray[np.float64]:
        """Each row's weight of evidence, shape (n,); 0 for a bin that no loan was in."""
        return np.array([self.weights.get(bin_, 0.0) for bin_ in _bins(matrix, self.numbers, self.flags, self.edges)])


@dataclass(frozen=True)
class Scorecard:
    """A fitted scorecard.

    Attributes:
        binnings: of the fields, in order.
        regression: over their weights of evidence.
    """

    binnings: tuple[Binning, ...]
    regression: LogisticRegression

    def predict_proba(self, matrix: Matrix) -> Probabilities:
        """Probabilities of repayment and of default, shape (n, 2)."""
        pd = expit(self.regression.decision_function(_evidence(self.binnings, matrix)))
        return np.column_stack([1 - pd, pd])

    def points(self, matrix: Matrix, scale: ScoreScale) -> NDArray[np.float64]:
        """Points by field, shape (n, fields); they add up to the credit score before it is rounded."""
        a_point = scale.points_to_double_odds / np.log(2)
        share = (scale.base_score - a_point * (np.log(scale.base_odds) + self.regression.intercept_[0])) / len(
            self.binnings
        )
        return np.asarray(share - a_point * _evidence(self.binnings, matrix) * self.regression.coef_[0])


@dataclass(frozen=True)
class ScorecardFit:
    """How to make one.

    Attributes:
        columns: field to the positions of its features.
    """

    columns: Mapping[str, Sequence[int]]

    def __call__(self, matrix: Matrix, labels: Labels) -> Scorecard:
        """Fit to features of shape (n, k) and labels of shape (n,)."""
        binnings = tuple(_binning(matrix, labels, positions) for positions in self.columns.values())
        return Scorecard(binnings, LogisticRegression(max_iter=1000).fit(_evidence(binnings, matrix), labels))


def _binning(matrix: Matrix, labels: Labels, positions: Sequence[int]) -> Binning:
    flags = tuple(i for i in positions if np.isin(matrix[:, i], (0, 1)).all())
    numbers = tuple(i for i in positions if i not in flags)
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = tuple(np.unique(np.quantile(matrix[:, i], quantiles, method="lower")) for i in numbers)
    bins = _bins(matrix, numbers, flags, edges)
    bad = dict.fromkeys(bins, SMOOTHING)
    good = dict(bad)
    for bin_, label in zip(bins, labels.tolist(), strict=True):
        (bad if label else good)[bin_] += 1
    all_bad, all_good = sum(bad.values()), sum(good.values())
    weights = {bin_: float(np.log(bad[bin_] / all_bad) - np.log(good[bin_] / all_good)) for bin_ in sorted(bad)}
    return Binning(numbers, flags, edges, weights)


def _bins(
    matrix: Matrix, numbers: Sequence[int], flags: Sequence[int], edges: Sequence[NDArray[np.float64]]
) -> list[tuple[int, ...]]:
    """The bin of each row: a flag that is set says more than the number that stands in beside it."""
    placed = [np.searchsorted(inner, matrix[:, i], side="left") for i, inner in zip(numbers, edges, strict=True)]
    marks = matrix[:, list(flags)].astype(np.intp)
    marked = marks.any(axis=1)
    columns = [np.where(marked, -1, place) for place in placed] + list(marks.T)
    return list(map(tuple, np.column_stack(columns).tolist()))


def _evidence(binnings: Sequence[Binning], matrix: Matrix) -> Matrix:
    return np.column_stack([binning.values(matrix) for binning in binnings])
