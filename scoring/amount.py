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

from scoring.attribution import LeafIndex

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
    """Steps of the PD over amounts, read off a leaf index."""

    def __init__(self, index: LeafIndex) -> None:
        self._index = index
        self._amount = index.bounds(AMOUNT)
        self._ratio = index.bounds(RATIO)
        self._free = index.field_bits(AMOUNT) | index.field_bits(RATIO)

    def steps(self, row: NDArray[np.float32], income: float, lowest: float, highest: float) -> AmountSteps:
        """The steps between two amounts, both included.

        Args:
            row: the application's features, shape (k,).
            income: the applicant's, in the amount's unit.
            lowest: amount where the steps end.
            highest: amount where they begin.
        """
        held = self._index.patterns(row) | self._free
        leaves = np.flatnonzero(held == self._index.all_met)
        low = np.maximum(self._amount[0][leaves], self._ratio[0][leaves] * income)
        high = np.minimum(self._amount[1][leaves], self._ratio[1][leaves] * income)
        value = np.where(low < high, self._index.leaf_value[leaves], 0.0)
        ends, position = np.unique(
            np.concatenate([np.clip(high, lowest, highest), np.clip(low, lowest, highest), [highest]]),
            return_inverse=True,
        )
        # Walking down from the top, a leaf counts from its upper end to just above its lower one.
        change = np.bincount(position[:-1], weights=np.concatenate([value, -value]), minlength=len(ends))
        log_odds = self._index.prior + np.cumsum(change[::-1])
        return AmountSteps(ends[::-1], np.append(ends[::-1][1:], lowest - 1), expit(log_odds))
