"""What would have changed it: the largest lower amount that would have got a better decision, all else held.

The PD is not monotone in the amount, so the amounts are scanned, from just below the one asked for down to a fraction
of it; and what the scan finds is confirmed by the scorer before it is told to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from decision.policy import Decision, Outcome, Policy, Rule, better_outcomes, decide, worst
from preprocessing.application import Application
from preprocessing.contract import Contract

LOWEST_FRACTION = 0.1
"""Amounts below this fraction of the one asked for are no answer to the applicant's question."""

MARGIN = 1e-9
"""By how much a step's PD may differ from the scorer's: both add the same leaves, in another order."""

FLOAT32_STEP = 2.0**-22
"""Twice the relative distance of neighbouring float32 numbers."""

Step = tuple[float, float, float]
"""Amounts above the first number and up to the second, and their PD."""

StepsBetween = Callable[[float, float], Iterable[Step]]
"""(PD from, PD below) to the steps whose PD lies there, from the highest amount down."""

Sweep = Callable[[float, float], StepsBetween]
"""(lowest, highest) amount to the steps between them, from the model."""

PDs = Callable[[Sequence[int]], Sequence[float]]
"""Amounts to the scorer's own PDs."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """An amount that would have got a better decision.

    Attributes:
        amount: whole units.
        changes: what to change in the application: the amount, and the ratios that go with it.
        outcome: the decision it gets.
        pd: the probability of default behind it.
    """

    amount: int
    changes: Mapping[str, float]
    outcome: Outcome
    pd: float


def find_counterfactuals(  # noqa: PLR0913, PLR0917  # what decides, on what, and the two that know the PD
    policy: Policy, contract: Contract, fields: Application, decision: Decision, sweep: Sweep, pds: PDs
) -> tuple[Counterfactual, ...]:
    """For each better decision, the largest lower whole amount that gets it; best decision first.

    Args:
        policy: as it decided.
        contract: says which field is the amount; where none is, there is nothing to find.
        fields: the application as the contract reads it.
        decision: what was decided.
        sweep: the PD over amounts, exact but for rounding.
        pds: the scorer, to confirm: one call where the sweep is right, and at most one for each of its steps.
    """
    if contract.amount is None:
        return ()
    asked_for = fields[contract.amount]
    lowest = max(1, math.ceil(asked_for * LOWEST_FRACTION), math.ceil(contract.least_amount))
    highest = math.ceil(asked_for) - 1
    search = _Search(policy, contract, fields)
    targets = search.reachable(decision)
    if not targets or highest < lowest:
        return ()
    steps = sweep(lowest, highest)
    searches = {target: search.candidates(target, steps) for target in targets}
    found: dict[Outcome, Counterfactual] = {}
    while True:
        near = {t: amounts for t, s in searches.items() if t not in found and (amounts := next(s, None)) is not None}
        if not near:
            return tuple(found[target] for target in targets if target in found)
        asked = [amount for amounts in near.values() for amount in amounts if lowest <= amount <= highest]
        pd_of = dict(zip(asked, pds(asked), strict=True))
        for target, amounts in near.items():
            confirmed = (a for a in amounts if a in pd_of and search.outcome(a, pd_of[a]) is target)
            if (amount := next(confirmed, None)) is not None:
                found[target] = Counterfactual(amount, search.changes(amount), target, pd_of[amount])


class _Search:
    """One application under one policy, at other amounts."""

    def __init__(self, policy: Policy, contract: Contract, fields: Application) -> None:
        assert contract.amount is not None
        self._policy, self._contract, self._fields, self._amount = policy, contract, fields, contract.amount
        divisors = contract.amount_divisors(fields)
        # A missing denominator makes a ratio that is missing at every amount.
        self._scale = {self._amount: 1.0} | {name: by for name, by in divisors.items() if by is not None}
        self._moving = [rule for rule in policy.rules if self._moves(rule)]
        matched = [r.outcome for r in policy.rules if not self._moves(r) and r.matches(fields)]
        self._floor = reduce(worst, matched, Outcome.APPROVE)
        """The best outcome that the rules leave open whatever the amount."""

    def reachable(self, decision: Decision) -> tuple[Outcome, ...]:
        """The better outcomes that no rule rules out at every amount."""
        return tuple(o for o in better_outcomes(decision.outcome) if worst(o, self._floor) is o)

    def outcome(self, amount: float, pd: float) -> Outcome:
        """What an amount would get."""
        return decide(self._policy, self._at(amount), pd).outcome

    def changes(self, amount: int) -> Mapping[str, float]:
        """What the applicant would have to state otherwise: a ratio goes with the amount, or it would contradict it."""
        at = self._at(amount)
        return {name: amount if name == self._amount else at[name] for name in self._scale}

    def candidates(self, target: Outcome, steps: StepsBetween) -> Iterator[list[int]]:
        """Whole amounts about each step that should get `target`, from the highest down."""
        thresholds = self._policy.thresholds
        if target is Outcome.APPROVE:
            low, high = 0.0, thresholds.approve_below
        else:
            # A rule may bring this outcome at any lower PD; where none can, only its own band is worth a look.
            by_rule = self._floor is target or any(rule.outcome is target for rule in self._moving)
            low, high = (0.0 if by_rule else thresholds.approve_below), thresholds.reject_from
        cuts = sorted({cut + shift for cut in self._cuts() for shift in (1, 0, -1)}, reverse=True)
        for begin, end, pd in steps(max(0.0, low - MARGIN), high + MARGIN):
            for top in (end, *(cut for cut in cuts if begin < cut < end)):
                if any(self.outcome(top, max(0.0, pd + shift)) is target for shift in (-MARGIN, MARGIN)):
                    # A step's end is exact to rounding only: of a binary float, and of the float32 that the model
                    # compares.
                    whole, off = math.floor(top), 1 + int(top * FLOAT32_STEP)
                    yield list(range(whole + off, whole - off - 1, -1))

    def _at(self, amount: float) -> Application:
        return self._contract.with_amount(self._fields, float(amount))

    def _moves(self, rule: Rule) -> bool:
        """Whether a rule's match may change with the amount."""
        return any(condition.field in self._scale for condition in rule.conditions)

    def _cuts(self) -> Iterable[float]:
        """Amounts at which one of the rules starts or stops to match."""
        return [
            float(value) * self._scale[condition.field]
            for rule in self._moving
            for condition in rule.conditions
            if condition.field in self._scale
            for value in (condition.value if isinstance(condition.value, list) else [condition.value])
            if isinstance(value, int | float)
        ]
