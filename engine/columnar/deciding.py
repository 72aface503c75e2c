"""A policy over columns: the outcomes, rules and scores that `decision.decide` gives one by one."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import Outcome, Policy
from decision.policy import OUTSIDE, Condition
from engine.columnar.columns import Column, Columns, Mask, names_of
from engine.columnar.outside import Outside
from preprocessing.contract import Contract

OUTCOMES = tuple(Outcome)
"""Best first; an outcome's number is its place among them."""

APPROVED = OUTCOMES.index(Outcome.APPROVE)
REJECTED = OUTCOMES.index(Outcome.REJECT)
CONDITIONAL = OUTCOMES.index(Outcome.CONDITIONAL_APPROVAL)

NEAR_A_STEP = 1e-6
"""How near to the next score NumPy's logarithm isn't trusted: its last bits may differ from the C library's."""

_COMPARE: dict[str, Callable[[Any, Any], Mask]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": operator.eq,
}


class Decided(NamedTuple):
    """What a policy decides, shape (n,).

    Attributes:
        outcome: place among `OUTCOMES`.
        band: what the PD alone would have brought, the same.
        score: on the policy's scale.
        rules: where each rule matched, in the policy's order; None for nowhere.
    """

    outcome: NDArray[np.int8]
    band: NDArray[np.int8]
    score: NDArray[np.int64]
    rules: tuple[Mask | None, ...]

    @property
    def prediction(self) -> NDArray[np.int8]:
        """1 where the PD reaches the reject threshold."""
        reached: NDArray[np.int8] = (self.band == REJECTED).astype(np.int8)
        return reached

    def by_outcome(self) -> list[int]:
        """How many rows have each of the outcomes."""
        numbers: list[int] = np.bincount(self.outcome, minlength=len(OUTCOMES)).tolist()
        return numbers

    @property
    def discloses_score(self) -> Mask:
        """Where the score alone would have brought the outcome, which is no approval."""
        disclosed: Mask = (self.outcome == self.band) & (self.outcome != APPROVED)
        return disclosed


class Decider:
    """A policy, ready to decide columns."""

    def __init__(self, contract: Contract, policy: Policy) -> None:
        self.policy = policy
        self._rules = [
            (OUTCOMES.index(rule.outcome), [_Test(contract, condition) for condition in rule.conditions])
            for rule in policy.rules
        ]

    def decide(self, columns: Columns, pd: NDArray[np.float64], outside: Mapping[str, Outside]) -> Decided:
        """Apply the policy to all rows."""
        thresholds = self.policy.thresholds
        band = np.full(len(pd), APPROVED, dtype=np.int8)
        band[pd >= thresholds.approve_below] = CONDITIONAL
        band[pd >= thresholds.reject_from] = REJECTED
        outcome = band.copy()
        matched = []
        for worst, tests in self._rules:
            holds: Mask | None = None
            for test in tests:
                one = test.holds(columns, outside)
                holds = one if holds is None or one is None else holds & one
                if holds is None or not holds.any():
                    holds = None
                    break
            matched.append(holds)
            if holds is not None:
                outcome[holds & (outcome < worst)] = worst
        return Decided(outcome, band, self.scores(pd), tuple(matched))

    def scores(self, pd: NDArray[np.float64]) -> NDArray[np.int64]:
        """The credit scores of PDs."""
        scale = self.policy.score
        with np.errstate(divide="ignore"):
            doublings = (np.log1p(-pd) - np.log(pd) - math.log(scale.base_odds)) / math.log(2)
        points = scale.base_score + scale.points_to_double_odds * doublings + 0.5
        floor = np.floor(points)
        scores: NDArray[np.int64] = np.clip(floor, scale.minimum, scale.maximum).astype(np.int64)
        margin = NEAR_A_STEP * np.maximum(1.0, np.abs(points))  # a large score has few digits behind the point
        near = ~((points - floor > margin) & (points - floor < 1 - margin))
        unsure = np.flatnonzero(near)
        scores[unsure] = [scale.score(one) for one in pd[unsure].tolist()]
        return scores


class _Test:
    """A condition: a table for what has a name, and a comparison for numbers."""

    def __init__(self, contract: Contract, condition: Condition) -> None:
        self._field, self._op = condition.field, condition.op
        names = names_of(contract.by_name[condition.field])
        own = [condition.op != OUTSIDE and condition.matches({condition.field: name}) for name in names]
        self._of_name = np.array([*own, False])
        # A state is no number: what is compared with one holds, or not, of names alone.
        self._numbers = [float(value) for value in condition.values if isinstance(value, int | float)]

    def holds(self, columns: Columns, outside: Mapping[str, Outside]) -> Mask | None:
        """Where it does; None for nowhere."""
        if self._op == OUTSIDE:
            return outside[self._field].worse if self._field in outside else None
        column = columns[self._field]
        if column.numbers is None:
            return self._of_name[column.places]
        numbers = self._of_numbers(column)
        if column.places is None:
            return numbers
        named = self._of_name[column.places]
        return named if numbers is None else named | (numbers & (column.places < 0))

    def _of_numbers(self, column: Column) -> Mask | None:
        if self._op not in _COMPARE or not self._numbers:
            return None
        compare = _COMPARE[self._op]
        holds = compare(column.numbers, self._numbers[0])
        for number in self._numbers[1:]:
            holds = holds | compare(column.numbers, number)
        return holds
