"""The probability of default as a function of the loan's amount, all else held.

Only the amount and its ratios to other fields move, so every leaf that the other fields allow holds on one interval of
amounts, and the log-odds are a step function of at most twice as many steps. That makes "which amounts would have
passed" a matter of one sweep instead of thousands of calls of the scorer. PD is not monotone in the amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from preprocessing.features import FeatureSchema
from scoring.boosting import Ensemble
from scoring.turns import Turns


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
    """Steps of the PD over amounts, read off an ensemble's leaves; for a contract that has an amount."""

    def __init__(self, ensemble: Ensemble, schema: FeatureSchema) -> None:
        contract = schema.contract
        names = [contract.amount, *(ratio.name for ratio in contract.amount_ratios)]
        # The column of the number itself: whether a ratio is missing does not move with the amount.
        columns = [[i for i in schema.columns(name or "") if contract.features[i].kind == "number"] for name in names]
        moving = {i for of_field in columns for i in of_field}
        self._prior = ensemble.prior
        self._value = ensemble.value.ravel()
        self._held = ensemble.conditions([i for i in range(len(schema.features)) if i not in moving])
        self._conditions = [ensemble.conditions(of_field) for of_field in columns]
        self._bounds = [tuple(bounds.ravel() for bounds in ensemble.bounds(of_field)) for of_field in columns]

    def steps(self, turns: Turns, scales: Sequence[float | None], lowest: float, highest: float) -> AmountSteps:
        """The steps between two amounts, both included.

        Args:
            turns: the application's turns, shape (trees,).
            scales: what the amount is divided by in each of its ratios, None where a ratio is missing.
            lowest: amount where the steps end.
            highest: amount where they begin.
        """
        splits, right = self._held
        meets = turns[:, np.newaxis] & splits == right
        moving = []
        for scale, bounds, (splits, right) in zip((1.0, *scales), self._bounds, self._conditions, strict=True):
            if scale is None:
                meets &= turns[:, np.newaxis] & splits == right
            else:
                moving.append((scale, bounds))
        held = np.flatnonzero(meets)
        low, high = np.full(len(held), -np.inf), np.full(len(held), np.inf)
        for scale, (above, up_to) in moving:
            np.maximum(low, above[held] * scale, out=low)
            np.minimum(high, up_to[held] * scale, out=high)
        value = np.where(low < high, self._value[held], 0.0)
        # Walking down from the top, a leaf counts from its upper end to just above its lower one.
        at_top = (high >= highest) & (low < highest)
        enters, leaves = (high >= lowest) & (high < highest), (low >= lowest) & (low < highest)
        ends, position = np.unique(np.concatenate([high[enters], low[leaves], [highest]]), return_inverse=True)
        changes = np.concatenate([value[enters], -value[leaves], [self._prior + value[at_top].sum()]])
        log_odds = np.cumsum(np.bincount(position, weights=changes)[::-1])
        return AmountSteps(ends[::-1], np.append(ends[::-1][1:], lowest - 1), expit(log_odds))
