"""What lies outside the training data: no improvement of a field ever brings a rule on, whatever the contract."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from decision import decide, read_policy
from decision.policy import OUTSIDE
from preprocessing.application import Application
from preprocessing.base import Value
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number
from scoring.ranges import KnownRanges
from tests.applications import CONTRACT, POLICY_FILE, parse_application, portfolio
from tests.contracts import applications, contracts, distribution_of, policy_of
from training.distribution import training_distribution

SEEDS = st.integers(0, 10**6)
POLICY = read_policy(POLICY_FILE, CONTRACT).policy
PORTFOLIO = [parse_application(document) for document in portfolio(400, seed=7)]
KNOWN = KnownRanges(CONTRACT, training_distribution(CONTRACT, PORTFOLIO, np.linspace(0.01, 0.9, len(PORTFOLIO))))
WIDE = st.integers(1, 10**9) | st.floats(1, 1e9)


def rules_for(application: Application) -> set[str]:
    """The rules of the default policy that hold, by their ids."""
    return {rule.id for rule in decide(POLICY, application, 0.01, KNOWN.outside(application).worse).rules}


def from_worst(field: AnyField) -> list[Value]:
    """Some values of a field that has a direction; none of a ratio, which follows."""
    if not isinstance(field, Number | Integer):
        return list(field.worst_first)
    rising: list[Value] = np.linspace(field.minimum, field.maximum, 9).tolist()
    return rising[::-1] if field.direction == "rises" else rising


def improved(contract: Contract) -> Iterator[tuple[str, list[Value]]]:
    return ((f.name, from_worst(f)) for f in contract.fields if f.scored and f.direction and f.type != "ratio")


@settings(max_examples=60)
@given(contracts(scored=20), SEEDS)
def test_no_improvement_brings_a_rule_on(contract: Contract, seed: int) -> None:
    """Over whole applications: what is better, and whatever ratios go with it, only ever takes rules away."""
    known = KnownRanges(contract, distribution_of(contract))
    rules = [{"id": f"r{i}", "description": "d", "outcome": "REJECT", "reason": "R",
              "conditions": [{"field": name, "op": OUTSIDE}]} for i, name in enumerate(contract.scored)]  # fmt: skip
    policy = policy_of(contract, rules)
    for application in applications(contract, 8, seed):
        for name, values in improved(contract):
            matched = [
                {rule.id for rule in decide(policy, other, 0.1, known.outside(other).worse).rules}
                for other in (contract.with_values(application, {name: value}) for value in values)
            ]
            assert all(better <= worse for worse, better in pairwise(matched))


@settings(max_examples=200)
@given(st.sampled_from(PORTFOLIO), WIDE, WIDE)
def test_neither_more_income_nor_a_lower_amount(application: Application, one: float, other: float) -> None:
    """Of the default policy, whose rules compare the amount with the income besides."""
    low, high = sorted((one, other))
    incomes = [rules_for(CONTRACT.with_values(application, {"person_income": income})) for income in (low, high)]
    amounts = [rules_for(CONTRACT.with_values(application, {"loan_amnt": amount})) for amount in (low, high)]
    assert incomes[1] <= incomes[0]
    assert amounts[0] <= amounts[1]
