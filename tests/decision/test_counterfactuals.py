"""The largest lower amount that gets a better decision: against trying every amount, on step functions of all kinds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from decision import Outcome, Policy, decide, read_policy
from decision.counterfactuals import LOWEST_FRACTION, Counterfactual, StepsBetween, find_counterfactuals
from decision.policy import Rule, better_outcomes
from tests.applications import CONTRACT, POLICY_FILE

POLICY = read_policy(POLICY_FILE, CONTRACT).policy
FIELDS = POLICY.examples[0].application(CONTRACT)


class Steps:
    """A PD that steps at given amounts, as a model's does."""

    def __init__(self, ends: Sequence[float], pds: Sequence[float]) -> None:
        self.ends = sorted(ends)
        self.pds = list(pds)  # pds[i] holds up to and including ends[i], the last one above all of them

    def pd(self, amount: float) -> float:
        return self.pds[sum(end < amount for end in self.ends)]

    def down(self, lowest: float, highest: float) -> StepsBetween:
        ends = sorted({highest, *(end for end in self.ends if lowest <= end < highest)}, reverse=True)
        steps = [(below, end, self.pd(end)) for end, below in zip(ends, [*ends[1:], lowest - 1], strict=True)]
        return lambda pd_from, pd_below: [step for step in steps if pd_from <= step[2] < pd_below]


def search(steps: Steps, policy: Policy = POLICY, **changes: Any) -> tuple[Counterfactual, ...]:
    fields = {**FIELDS, **changes}
    decision = decide(policy, fields, steps.pd(fields["loan_amnt"]))
    return find_counterfactuals(
        policy, CONTRACT, fields, decision, steps.down, lambda amounts: [steps.pd(a) for a in amounts]
    )


def exhaustive(steps: Steps, policy: Policy = POLICY, **changes: Any) -> list[tuple[Outcome, int]]:
    fields = {**FIELDS, **changes}
    asked = fields["loan_amnt"]
    decision = decide(policy, fields, steps.pd(asked))
    best: dict[Outcome, int] = {}
    for amount in range(math.ceil(asked) - 1, max(1, math.ceil(asked * LOWEST_FRACTION)) - 1, -1):
        hypothetical = fields | {"loan_amnt": amount, "loan_percent_income": amount / fields["person_income"]}
        best.setdefault(decide(policy, hypothetical, steps.pd(amount)).outcome, amount)
    return [(outcome, best[outcome]) for outcome in better_outcomes(decision.outcome) if outcome in best]


def test_the_largest_amount_of_each_better_decision_is_found() -> None:
    steps = Steps([100.5, 200, 400], [0.05, 0.15, 0.12, 0.5])
    found = search(steps, loan_amnt=500, person_income=10_000)
    assert found == (
        Counterfactual(100, {"loan_amnt": 100, "loan_percent_income": 0.01}, Outcome.APPROVE, 0.05),
        Counterfactual(400, {"loan_amnt": 400, "loan_percent_income": 0.04}, Outcome.CONDITIONAL_APPROVAL, 0.12),
    )


def test_the_pd_need_not_fall_with_the_amount() -> None:
    steps = Steps([100, 300, 400], [0.5, 0.05, 0.5, 0.3])
    (found,) = search(steps, loan_amnt=500, person_income=10_000)
    assert (300, Outcome.APPROVE) == (found.amount, found.outcome)


def test_nothing_is_offered_where_no_amount_helps() -> None:
    assert search(Steps([], [0.5]), loan_amnt=500) == ()


def test_an_approval_has_none() -> None:
    assert search(Steps([400], [0.01, 0.05]), loan_amnt=500, person_income=10_000) == ()


def test_amounts_under_the_fraction_are_no_offer() -> None:
    assert search(Steps([49], [0.01, 0.5]), loan_amnt=500, person_income=10_000) == ()
    assert [found.amount for found in search(Steps([50], [0.01, 0.5]), loan_amnt=500, person_income=10_000)] == [50]


def test_a_rule_that_no_amount_satisfies_rules_the_outcome_out() -> None:
    steps = Steps([400], [0.01, 0.5])
    found = search(steps, loan_amnt=500, person_income=10_000, cb_person_default_on_file="Y")
    assert [Outcome.CONDITIONAL_APPROVAL] == [item.outcome for item in found]
    assert search(steps, loan_amnt=500, person_income=10_000, person_age=17) == ()


def test_a_rule_on_the_ratio_bounds_the_amount() -> None:
    (found,) = search(Steps([], [0.05]), loan_amnt=500, person_income=300.5, loan_percent_income=500 / 300.5)
    assert (300, Outcome.APPROVE) == (found.amount, found.outcome)


RULES = st.builds(
    lambda field, op, value, outcome: {
        "id": "drawn",
        "description": "drawn",
        "conditions": [{"field": field, "op": op, "value": [value, value + 3] if op == "in" else value}],
        "outcome": outcome,
        "reason": "INSUFFICIENT_INCOME",
    },
    st.sampled_from(["loan_amnt", "loan_percent_income"]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "in"]),
    st.integers(0, 300) | st.floats(0, 2),
    st.sampled_from(["CONDITIONAL_APPROVAL", "REJECT"]),
)


@settings(deadline=None, max_examples=150)
@given(RULES, st.lists(st.floats(1, 300), max_size=4), st.floats(1, 320), st.floats(50, 2000))
def test_it_is_so_under_any_rule_on_the_amount(
    rule: dict[str, Any], ends: list[float], asked: float, income: float
) -> None:
    policy = POLICY.model_copy(
        update={"rules": (Rule.model_validate_json(json.dumps(rule), context={"contract": CONTRACT}),)}
    )
    steps = Steps(ends, [0.05, 0.15, 0.05, 0.5, 0.05])
    changes = {"loan_amnt": asked, "person_income": income, "loan_percent_income": asked / income}
    found = [(found.outcome, found.amount) for found in search(steps, policy, **changes)]
    assert exhaustive(steps, policy, **changes) == found


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.floats(1, 300), max_size=8),
    st.lists(st.sampled_from([0.01, 0.0999999, 0.1, 0.15, 0.2, 0.7]), min_size=9, max_size=9),
    st.floats(1, 320),
    st.floats(50, 2000),
    st.sampled_from("YN"),
)
def test_it_is_what_trying_every_amount_finds(
    ends: list[float], pds: list[float], asked: float, income: float, prior_default: str
) -> None:
    changes = {
        "loan_amnt": asked,
        "person_income": income,
        "loan_percent_income": asked / income,
        "cb_person_default_on_file": prior_default,
    }
    steps = Steps(ends, pds)
    assert exhaustive(steps, **changes) == [(found.outcome, found.amount) for found in search(steps, **changes)]
