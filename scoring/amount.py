"""The probability of default as a function of the loan's amount, all else held.

Only the amount and its ratio to income move, so every leaf that the other fields allow holds on one interval of
amounts, and the log-odds are a step function of at most twice as many steps. That makes "which amounts would have
passed" a matter of one sweep instead of thousands of calls of the scorer. PD is not monotone in the amount.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from scoring.attribution import LeafIndex

AMOUNT, RATIO = "loan_amnt", "loan_percent_income"


class AmountSweep:
    """Steps of the PD over amounts, read off a leaf index."""

    def __init__(self, index: LeafIndex) -> None:
        self._index = index
        self._amount = index.bounds(AMOUNT)
        self._ratio = index.bounds(RATIO)
        self._free = index.field_bits(AMOUNT) | index.field_bits(RATIO)

    def steps(
        self, row: NDArray[np.float32], income: float, lowest: float, highest: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The steps between two amounts, from the highest down.

        Args:
            row: the application's features, shape (k,).
            income: the applicant's, in the amount's unit.
            lowest: where the steps end, included.
            highest: where they begin, included.

        Returns:
            Each step's largest amount and its PD. A step's end is exact to rounding: the PD of the whole amount next to
            it is for the scorer to say.
        """
        held = self._index.patterns(row) | self._free
        leaves = np.flatnonzero(held == self._index.all_met)
        low = np.maximum(self._amount[0][leaves], self._ratio[0][leaves] * income)
        high = np.minimum(self._amount[1][leaves], self._ratio[1][leaves] * income)
        value = self._index.leaf_value[leaves]
        begin = np.clip(low, lowest, highest)
        end = np.clip(high, lowest, highest)
        ends = np.unique(np.concatenate([begin, end, [highest]]))
        change = np.zeros(len(ends))
        np.add.at(change, np.searchsorted(ends, end), np.where(low < high, value, 0.0))
        np.add.at(change, np.searchsorted(ends, begin), np.where(low < high, -value, 0.0))
        # Walking down from the top, a leaf counts from its end to just above its beginning.
        return ends[::-1], expit(self._index.prior + np.cumsum(change[::-1]))
