"""What would have changed it: the largest lower amount that would have got a better decision, all else held.

The PD is not monotone in the amount, so the amounts are scanned, from just below the one asked for down to a fraction
of it; and what the scan finds is confirmed by the scorer before it is told to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from decision.policy import Decision, Fields, Outcome, Policy, better_outcomes, decide, worst

AMOUNT, RATIO, INCOME = "loan_amnt", "loan_percent_income", "person_income"

LOWEST_FRACTION = 0.1
"""Amounts below this fraction of the one asked for are no answer to the applicant's question."""

MARGIN = 1e-9
"""By how much a step's PD may differ from the scorer's: both add the same leaves, in another order."""

Steps = Callable[[float, float], Iterable[tuple[float, float]]]
"""(lowest, highest) amount to steps from the highest down: a step's largest amount, and its PD."""

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
    policy: Policy, fields: Fields, decision: Decision, steps: Steps, pds: PDs
) -> tuple[Counterfactual, ...]:
    """For each better decision, the largest lower whole amount that gets it; best decision first.

    Args:
        policy: as it decided.
        fields: the applicant's cleaned, unimputed fields and the exact ratio.
        decision: what was decided.
        steps: the PD over amounts, from the model.
        pds: the scorer, to confirm.
    """
    asked = fields[AMOUNT]
    lowest, highest = max(1, math.ceil(asked * LOWEST_FRACTION)), math.ceil(asked) - 1
    targets = _reachable(policy, fields, decision)
    if not targets or highest < lowest:
        return ()
    income = fields[INCOME]

    def confirmed(amount: int, pd: float) -> Counterfactual:
        hypothetical = {**fields, AMOUNT: float(amount), RATIO: amount / income}
        return Counterfactual(amount, decide(policy, hypothetical, pd).outcome, pd)

    found: dict[Outcome, Counterfactual] = {}
    for end, pd in _split(steps(lowest, highest), _policy_steps(policy, income), lowest):
        open_targets = [target for target in targets if target not in found]
        best_band = policy.band(max(0.0, pd - MARGIN))
        if worst(best_band, open_targets[-1]) is not open_targets[-1]:
            continue  # no rule makes an outcome better than its band
        hypothetical = {**fields, AMOUNT: end, RATIO: end / income}
        likely = {decide(policy, hypothetical, max(0.0, pd + sign * MARGIN)).outcome for sign in (-1, 1)}
        if likely.isdisjoint(open_targets):
            continue
        # The step's end is exact to rounding only: the largest whole amount may be one unit off.
        near = [a for a in range(math.floor(end) + 1, math.floor(end) - 2, -1) if lowest <= a <= highest]
        for candidate in map(confirmed, near, pds(near)):
            if candidate.outcome in open_targets:
                found.setdefault(candidate.outcome, candidate)
        if len(found) == len(targets):
            break
    return tuple(found[target] for target in targets if target in found)


def _reachable(policy: Policy, fields: Fields, decision: Decision) -> tuple[Outcome, ...]:
    """The better outcomes that no rule rules out at every amount."""
    floor = Outcome.APPROVE
    for rule in policy.rules:
        if not any(c.field in (AMOUNT, RATIO) for c in rule.conditions) and rule.matches(fields):
            floor = worst(floor, rule.outcome)
    return tuple(outcome for outcome in better_outcomes(decision.outcome) if worst(outcome, floor) is outcome)


def _policy_steps(policy: Policy, income: float) -> list[float]:
    """Amounts at which a rule starts or stops to match."""
    scale = {AMOUNT: 1.0, RATIO: income}
    return [
        float(condition.value) * scale[condition.field]
        for rule in policy.rules
        for condition in rule.conditions
        if condition.field in scale and isinstance(condition.value, int | float)
    ]


def _split(steps: Iterable[tuple[float, float]], cuts: Sequence[float], lowest: float) -> Iterable[tuple[float, float]]:
    """The same steps, cut also where the policy changes, on both sides of the cut."""
    ends = list(steps)
    around = sorted({cut + shift for cut in cuts for shift in (1, 0, -1)}, reverse=True)
    for (end, pd), (next_end, _) in zip(ends, [*ends[1:], (lowest - 1, 0.0)], strict=True):
        yield end, pd
        yield from ((cut, pd) for cut in around if next_end < cut < end)
