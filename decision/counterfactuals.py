"""What would have changed it: the largest lower amount that would have got a better decision, all else held.

The PD is not monotone in the amount, so the amounts are scanned, from just below the one asked for down to a fraction
of it; and what the scan finds is confirmed by the scorer before it is told to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from decision.policy import Decision, Fields, Outcome, Policy, Rule, better_outcomes, decide, worst

AMOUNT, RATIO, INCOME = "loan_amnt", "loan_percent_income", "person_income"

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
        outcome: the decision it gets.
        pd: the probability of default behind it.
    """

    amount: int
    outcome: Outcome
    pd: float


def find_counterfactuals(
    policy: Policy, fields: Fields, decision: Decision, sweep: Sweep, pds: PDs
) -> tuple[Counterfactual, ...]:
    """For each better decision, the largest lower whole amount that gets it; best decision first.

    Args:
        policy: as it decided.
        fields: the applicant's cleaned, unimputed fields and the exact ratio.
        decision: what was decided.
        sweep: the PD over amounts, exact but for rounding.
        pds: the scorer, to confirm: one call where the sweep is right, and at most one for each of its steps.
    """
    lowest, highest = max(1, math.ceil(fields[AMOUNT] * LOWEST_FRACTION)), math.ceil(fields[AMOUNT]) - 1
    targets = _reachable(policy, fields, decision)
    if not targets or highest < lowest:
        return ()
    steps = sweep(lowest, highest)
    searches = {target: _candidates(policy, fields, target, steps) for target in targets}
    found: dict[Outcome, Counterfactual] = {}
    while True:
        near = {t: amounts for t, s in searches.items() if t not in found and (amounts := next(s, None)) is not None}
        if not near:
            return tuple(found[target] for target in targets if target in found)
        asked = [amount for amounts in near.values() for amount in amounts if lowest <= amount <= highest]
        pd_of = dict(zip(asked, pds(asked), strict=True))
        for target, amounts in near.items():
            confirmed = (
                a for a in amounts if a in pd_of and decide(policy, _at(fields, a), pd_of[a]).outcome is target
            )
            if (amount := next(confirmed, None)) is not None:
                found[target] = Counterfactual(amount, target, pd_of[amount])


def _candidates(policy: Policy, fields: Fields, target: Outcome, steps: StepsBetween) -> Iterator[list[int]]:
    """Whole amounts about each step that should get `target`, from the highest down."""
    thresholds = policy.thresholds
    moving = [rule for rule in policy.rules if _moves(rule)]
    if target is Outcome.APPROVE:
        low, high = 0.0, thresholds.approve_below
    else:
        # A rule may bring this outcome at any lower PD; where none can, only its own band is worth a look.
        by_rule = _floor(policy, fields) is target or any(rule.outcome is target for rule in moving)
        low, high = (0.0 if by_rule else thresholds.approve_below), thresholds.reject_from
    cuts = sorted({cut + shift for cut in _cuts(moving, fields[INCOME]) for shift in (1, 0, -1)}, reverse=True)
    for begin, end, pd in steps(max(0.0, low - MARGIN), high + MARGIN):
        for top in (end, *(cut for cut in cuts if begin < cut < end)):
            at_top = _at(fields, top)
            if any(decide(policy, at_top, max(0.0, pd + shift)).outcome is target for shift in (-MARGIN, MARGIN)):
                # A step's end is exact to rounding only: of a binary float, and of the float32 that the model compares.
                whole, off = math.floor(top), 1 + int(top * FLOAT32_STEP)
                yield list(range(whole + off, whole - off - 1, -1))


def _at(fields: Fields, amount: float) -> Fields:
    return {**fields, AMOUNT: float(amount), RATIO: amount / fields[INCOME]}


def _moves(rule: Rule) -> bool:
    """Whether a rule's match may change with the amount."""
    return any(condition.field in (AMOUNT, RATIO) for condition in rule.conditions)


def _floor(policy: Policy, fields: Fields) -> Outcome:
    """The best outcome that the rules leave open whatever the amount."""
    matched = [rule.outcome for rule in policy.rules if not _moves(rule) and rule.matches(fields)]
    return reduce(worst, matched, Outcome.APPROVE)


def _reachable(policy: Policy, fields: Fields, decision: Decision) -> tuple[Outcome, ...]:
    """The better outcomes that no rule rules out at every amount."""
    floor = _floor(policy, fields)
    return tuple(outcome for outcome in better_outcomes(decision.outcome) if worst(outcome, floor) is outcome)


def _cuts(rules: Iterable[Rule], income: float) -> list[float]:
    """Amounts at which one of the rules starts or stops to match."""
    scale = {AMOUNT: 1.0, RATIO: income}
    return [
        float(value) * scale[condition.field]
        for rule in rules
        for condition in rule.conditions
        if condition.field in scale
        for value in (condition.value if isinstance(condition.value, list) else [condition.value])
        if isinstance(value, int | float)
    ]
