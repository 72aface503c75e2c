"""The probability of default as a function of the loan's amount, all else held.

Only the amount and its ratio to income move, so every leaf that the other fields allow holds on one interval of
amounts, and the log-odds are a step function of at most twice as many steps. That makes "which amounts would have
passed" a matter of one sweep instead of thousands of calls of the scorer. PD is not monotone in the amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from preprocessing.features import FeatureSchema
from scoring.boosting import Ensemble
from scoring.outcomes import Words

AMOUNT, RATIO = "loan_amnt", "loan_percent_income"


@dataclass(frozen=True, slots=True)
class AmountSteps:
    """A step function from amounts to PDs, from the highest amount down.

    A step's bounds are exact to rounding: the PD of a whole amount next to one is for the scorer to say.

    Attributes:
        end: each step's largest amount, shape (n,).
        begin: the amount just below each step, shape (n,).
        pd: each step's, shape (n,).
    """

    end: NDArray[np.float64]
    begin: NDArray[np.float64]
    pd: NDArray[np.float64]

    def between(self, pd_from: float, pd_below: float) -> Iterable[tuple[float, float, float]]:
        """(begin, end, PD) of the steps whose PD lies between two, from the highest amount down."""
        (chosen,) = np.nonzero((self.pd >= pd_from) & (self.pd < pd_below))
        return zip(self.begin[chosen].tolist(), self.end[chosen].tolist(), self.pd[chosen].tolist(), strict=True)


class AmountSweep:
    """Steps of the PD over amounts, read off an ensemble's leaves."""

    def __init__(self, ensemble: Ensemble, schema: FeatureSchema) -> None:
        amount, ratio = schema.columns(AMOUNT), schema.columns(RATIO)
        held = [i for i in range(len(schema.features)) if i not in (*amount, *ratio)]
        self._prior = ensemble.prior
        self._value = ensemble.value.ravel()
        self._splits, self._right = ensemble.conditions(held)
        self._amount, self._ratio = (
            tuple(bounds.ravel() for bounds in ensemble.bounds(columns)) for columns in (amount, ratio)
        )

    def steps(self, words: Words, income: float, lowest: float, highest: float) -> AmountSteps:
        """The steps between two amounts, both included.

        Args:
            words: the application's outcomes, shape (trees,).
            income: the applicant's, in the amount's unit.
            lowest: amount where the steps end.
            highest: amount where they begin.
        """
        held = np.flatnonzero(words[:, np.newaxis] & self._splits == self._right)
        low = np.maximum(self._amount[0][held], self._ratio[0][held] * income)
        high = np.minimum(self._amount[1][held], self._ratio[1][held] * income)
        value = np.where(low < high, self._value[held], 0.0)
        # Walking down from the top, a leaf counts from its upper end to just above its lower one.
        at_top = (high >= highest) & (low < highest)
        enters, leaves = (high >= lowest) & (high < highest), (low >= lowest) & (low < highest)
        ends, position = np.unique(np.concatenate([high[enters], low[leaves], [highest]]), return_inverse=True)
        changes = np.concatenate([value[enters], -value[leaves], [self._prior + value[at_top].sum()]])
        log_odds = np.cumsum(np.bincount(position, weights=changes)[::-1])
        return AmountSteps(ends[::-1], np.append(ends[::-1][1:], lowest - 1), expit(log_odds))
