"""What the policy decides, and that each part of it is obeyed."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decision import Outcome, Policy, decide, read_policy
from decision.policy import Condition
from decision.reversals import told_apart
from preprocessing.contract import Contract, read_contract_file
from tests.applications import CONTRACT, POLICY_FILE
from tests.books import BOOKS, Document, contract_of, edited
from tests.contracts import policy_of

POLICY: Policy = read_policy(POLICY_FILE, CONTRACT).policy
FIELDS = dict(POLICY.examples[0].application(CONTRACT))

BOOKS_POLICIES = {
    name: read_policy(folder / "decision_policy.json", read_contract_file(folder / "contract.json")).policy
    for name, folder in BOOKS.items()
}

SEVERITY = [Outcome.APPROVE, Outcome.CONDITIONAL_APPROVAL, Outcome.REJECT]


class TestBands:
    @pytest.mark.parametrize(
        ("pd", "outcome", "prediction"),
        [
            (0.0, Outcome.APPROVE, 0),
            (0.09999999999999999, Outcome.APPROVE, 0),
            (0.1, Outcome.CONDITIONAL_APPROVAL, 0),
            (0.19999999999999998, Outcome.CONDITIONAL_APPROVAL, 0),
            (0.2, Outcome.REJECT, 1),
            (1.0, Outcome.REJECT, 1),
        ],
    )
    def test_a_threshold_belongs_to_the_worse_band(self, pd: float, outcome: Outcome, prediction: int) -> None:
        decision = decide(POLICY, FIELDS, pd)
        assert (outcome, outcome, prediction) == (decision.outcome, decision.band, decision.prediction)

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_a_higher_pd_never_gets_a_better_outcome_or_a_higher_score(self, a: float, b: float) -> None:
        low, high = (decide(POLICY, FIELDS, pd) for pd in sorted((a, b)))
        assert SEVERITY.index(low.outcome) <= SEVERITY.index(high.outcome)
        assert low.credit_score >= high.credit_score


class TestRules:
    @pytest.mark.parametrize(
        ("changes", "rules"),
        [
            ({}, []),
            ({"person_age": 17}, ["under_age"]),
            ({"person_age": 18}, []),
            ({"loan_percent_income": 1.0}, []),
            ({"loan_percent_income": 1.0000001}, ["amount_above_income"]),
            ({"cb_person_default_on_file": "Y"}, ["prior_default"]),
            ({"person_age": 0, "cb_person_default_on_file": "Y"}, ["under_age", "prior_default"]),
        ],
    )
    def test_every_rule_is_evaluated(self, changes: dict[str, object], rules: list[str]) -> None:
        assert rules == [rule.id for rule in decide(POLICY, FIELDS | changes, 0.01).rules]

    @given(
        st.floats(0, 1),
        st.fixed_dictionaries(
            {
                "person_age": st.integers(0, 120),
                "loan_percent_income": st.floats(0, 3),
                "cb_person_default_on_file": st.sampled_from("YN"),
            }
        ),
    )
    def test_the_worst_of_band_and_rules_wins(self, pd: float, changes: dict[str, object]) -> None:
        decision = decide(POLICY, FIELDS | changes, pd)
        outcomes = [decision.band, *(rule.outcome for rule in decision.rules)]
        assert max(outcomes, key=SEVERITY.index) == decision.outcome

    def test_prediction_follows_the_pd_and_not_the_rules(self) -> None:
        assert decide(POLICY, FIELDS | {"person_age": 17}, 0.01).prediction == 0

    @pytest.mark.parametrize(
        ("outside", "rules"),
        [
            ((), []),
            (("loan_amnt",), ["amount_beyond_experience"]),
            (("person_emp_length", "loan_grade"), []),
            (("person_income", "loan_int_rate"), ["rate_beyond_experience", "income_beyond_experience"]),
        ],
    )
    def test_outside_the_training_range(self, outside: tuple[str, ...], rules: list[str]) -> None:
        """Nothing but what is said to lie outside counts, whatever the value; at best with conditions."""
        decision = decide(POLICY, FIELDS, 0.01, outside)
        assert rules == [rule.id for rule in decision.rules]
        assert (Outcome.CONDITIONAL_APPROVAL if rules else Outcome.APPROVE) == decision.outcome
        assert Outcome.REJECT == decide(POLICY, FIELDS, 0.5, outside).outcome

    @given(st.floats(0, 1), st.sets(st.sampled_from(CONTRACT.scored)), st.sets(st.sampled_from(CONTRACT.scored)))
    def test_less_outside_is_never_worse(self, pd: float, outside: set[str], besides: set[str]) -> None:
        """What comes to lie inside may only take a rule away."""
        less, more = decide(POLICY, FIELDS, pd, outside), decide(POLICY, FIELDS, pd, outside | besides)
        assert {*less.rules} <= {*more.rules}
        assert SEVERITY.index(less.outcome) <= SEVERITY.index(more.outcome)


class TestConditions:
    @pytest.mark.parametrize(
        ("op", "value", "given_value", "expected"),
        [
            ("<", 5, 4, True),
            ("<", 5, 5, False),
            ("<=", 5, 5, True),
            (">", 5, 5, False),
            (">", 5, 6, True),
            (">=", 5, 5, True),
            ("==", 5, 5.0, True),
            ("!=", 5, 5, False),
            ("in", [1, 5], 5, True),
            ("in", [1, 5], 2, False),
            ("is_null", None, 5, False),
            ("is_null", None, None, True),
        ],
    )
    def test_each_operator(self, op: str, value: object, given_value: object, *, expected: bool) -> None:
        condition = Condition.model_validate(
            {"field": "person_emp_length", "op": op, "value": value}, context={"contract": CONTRACT}
        )
        assert expected is condition.matches({"person_emp_length": given_value})

    @pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "==", "!=", "in"])
    def test_a_missing_value_satisfies_is_null_and_nothing_else(self, op: str) -> None:
        value = [0] if op == "in" else 0
        condition = Condition.model_validate(
            {"field": "person_emp_length", "op": op, "value": value}, context={"contract": CONTRACT}
        )
        assert not condition.matches({"person_emp_length": None})


ASIDE = {"<": (True, False, False), "<=": (True, True, False), ">": (False, False, True), ">=": (False, True, True),
         "==": (False, True, False), "!=": (True, False, True)}  # fmt: skip
"""Whether a comparison holds just below a number, at it, and just above."""


@pytest.mark.parametrize("book", BOOKS)
class TestEdges:
    """At each number of each book's policy something else begins, and not one step beside it."""

    def test_of_bands(self, book: str) -> None:
        policy = BOOKS_POLICIES[book]
        for threshold, better, worse in (
            (policy.thresholds.approve_below, Outcome.APPROVE, Outcome.CONDITIONAL_APPROVAL),
            (policy.thresholds.reject_from, Outcome.CONDITIONAL_APPROVAL, Outcome.REJECT),
        ):
            assert worse is policy.band(threshold)
            assert better is policy.band(math.nextafter(threshold, 0))

    def test_of_rules(self, book: str) -> None:
        for condition in (c for rule in BOOKS_POLICIES[book].rules for c in rule.conditions):
            edge = condition.value
            if not isinstance(edge, int | float):
                continue
            beside = (math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf))
            assert ASIDE[condition.op] == tuple(condition.matches({condition.field: value}) for value in beside)

    def test_of_the_score(self, book: str) -> None:
        """Twice as good odds are as many points, at the base odds the base score, and none lies outside."""
        scale = BOOKS_POLICIES[book].score
        for doublings in (-1, 0, 1):
            odds = scale.base_odds * 2**doublings
            assert scale.base_score + doublings * scale.points_to_double_odds == scale.score(1 / (1 + odds))
        assert (scale.maximum, scale.minimum) == (scale.score(5e-324), scale.score(math.nextafter(1, 0)))


def test_the_protected_age_is_62() -> None:
    """Reg B, 12 CFR 1002.2(o): an elderly applicant is 62 or older, and a year less is not."""
    ruled(CONTRACT, ("person_age", "<", 62))
    ruled(CONTRACT, ("person_age", "==", 61))
    for old in (("person_age", "<=", 62), ("person_age", "==", 62), ("person_age", ">=", 62), ("person_age", "<", 63)):
        with pytest.raises(ValidationError, match="applicants of 62 and over"):
            ruled(CONTRACT, old)


def ruled(contract: Contract, *conditions: tuple[str, str, object]) -> None:
    """Read a policy with one rule of these conditions."""
    made = [{"field": field, "op": op, "value": value} for field, op, value in conditions]
    policy_of(contract, [{"id": "r", "description": "d", "outcome": "REJECT", "reason": "R", "conditions": made}])


class TestImprovements:
    """A rule holds for all that is worse than what it holds for, or is refused."""

    @pytest.mark.parametrize(
        "conditions",
        [
            [("loan_amnt", ">", 500)],
            [("loan_amnt", ">=", 1)],
            [("loan_amnt", "<", 1)],  # no application's
            [("loan_amnt", ">", 500), ("loan_amnt", "!=", 300)],
            [("person_income", "<=", 20_000), ("loan_percent_income", ">", 0.5)],
            [("loan_grade", "==", "G")],
            [("loan_grade", "in", ["G", "F"])],
            [("loan_grade", "!=", "A")],
            [("cb_person_default_on_file", "==", "Y")],
            [("person_emp_length", "is_null", None)],
            [("loan_int_rate", "is_null", None)],
            [("loan_intent", "==", "MEDICAL"), ("person_age", "==", 30)],  # neither has a direction
        ],
    )
    def test_what_only_hits_the_worse_is_read(self, conditions: list[tuple[str, str, object]]) -> None:
        ruled(CONTRACT, *conditions)

    @pytest.mark.parametrize(
        ("conditions", "said"),
        [
            (
                [("loan_amnt", "<", 500)],
                r"rule r would punish an improvement of loan_amnt, which rises: .* compare it by > ",
            ),
            ([("loan_amnt", "==", 500)], "of loan_amnt"),
            ([("loan_amnt", ">", 500), ("loan_amnt", "!=", 600)], "for 600"),
            ([("person_income", ">", 1e6)], "of person_income, which falls: .* compare it by < or <= alone"),
            ([("person_income", "<", 9e3), ("person_income", ">=", 5e3)], "of person_income"),
            ([("loan_percent_income", "<=", 0.1)], "of loan_percent_income"),
            ([("loan_grade", "==", "F")], "of loan_grade, which rises: it holds for F and not for G, .* name every"),
            ([("loan_grade", "in", ["G", "E"])], "it holds for E and not for F"),
            ([("cb_person_default_on_file", "==", "N")], "it holds for N and not for Y"),
        ],
    )
    def test_what_spares_the_worse_is_refused(self, conditions: list[tuple[str, str, object]], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            ruled(CONTRACT, *conditions)

    def test_an_amount_too_small_is_the_contracts(self) -> None:
        """The remedy: what is no application needs no rule."""
        document = json.loads((POLICY_FILE.parent / "contract.json").read_text(encoding="utf-8"))
        contract = contract_of(edited(document, loan_amnt={"minimum": 500}))
        ruled(contract, ("loan_amnt", "<", 500))

    def test_states_and_ratios(self) -> None:
        """The best state is better than any number; a ratio for rules only goes as what it is made of."""
        sums = {"type": "integer", "description": "d", "minimum": 1, "maximum": 9, "example": 5}
        states = {"codes": {"none": 0, "hidden": -1}, "standing": {"none": "best"}}
        fields = [
            {"name": "debt", "direction": "rises"} | sums | states,
            {"name": "wealth", "direction": "falls"} | sums,
            {"name": "ratio", "type": "ratio", "description": "d", "numerator": "debt", "denominator": "wealth",
             "maximum": 9, "use": "rules"},
        ]  # fmt: skip
        label = {"column": "bad", "defaulted": [1], "repaid": [0]}
        contract = contract_of({"format": 1, "name": "b", "version": "1.0.0", "label": label, "fields": fields})
        for unknown, said in (
            ("debt", "with numbers, or by ==, != or in with none, hidden"),
            ("wealth", "with numbers"),
        ):
            with pytest.raises(ValidationError, match=f"{unknown} is a number; compare it {said} "):
                ruled(contract, (unknown, "==", "nowhere"))
        for sound in (("debt", "==", "hidden"), ("debt", ">=", 4), ("debt", "in", [8, 9]), ("ratio", ">", 2)):
            ruled(contract, sound)
        for unsound in (("debt", "==", "none"), ("debt", "in", [7, 9]), ("ratio", "<", 2), ("ratio", "is_null", None)):
            with pytest.raises(ValidationError, match=f"would punish an improvement of {unsound[0]}"):
                ruled(contract, unsound)


@given(st.lists(st.integers(-24, 24).map(lambda n: n / 2), max_size=4), st.integers(-9, 9), st.integers(0, 12))
def test_one_number_of_each_kind_that_bounds_tell_apart(bounds: list[float], least: int, width: int) -> None:
    """Whatever is asked of a range, asking these numbers is enough; and none of them lies outside it."""
    for whole, step in ((True, 1), (False, 0.25)):
        told = told_apart([*bounds, "a state", None], least, least + width, whole=whole)
        kinds = [tuple((number > bound) - (number < bound) for bound in bounds) for number in told]
        for i in range(int(width / step) + 1):
            assert tuple((least + i * step > bound) - (least + i * step < bound) for bound in bounds) in kinds
        assert told == sorted({*told})
        assert least <= told[0] <= told[-1] <= least + width
        assert all(float(number).is_integer() for number in told) or not whole


KINDS = {"type": "integer", "description": "d", "minimum": 1, "maximum": 9}
LEFT_OUT: Document = {
    "format": 1, "name": "b", "version": "1.0.0", "label": {"column": "bad", "defaulted": [1], "repaid": [0]},
    "fields": [
        KINDS | {"name": "income", "direction": "falls", "nullable": True},
        KINDS | {"name": "debt", "direction": "rises", "codes": {"hidden": -1}, "standing": {"hidden": "worst"},
                 "example": 5},
        KINDS | {"name": "limit", "direction": "rises", "nullable": True, "missing": "own"},
        {"name": "burden", "type": "ratio", "description": "d", "numerator": "debt", "denominator": "income",
         "maximum": 9, "direction": "rises"},
        {"name": "grade", "type": "ordered", "description": "d", "categories": ["A", "B", "C"], "direction": "rises",
         "example": "A"},
    ],
}  # fmt: skip
Asked = tuple[str, str, object]


def rules_of(*rules: tuple[str, list[Asked]]) -> list[str]:
    """What is wrong with a policy of these rules, each an outcome and conditions."""
    made = [
        {"id": f"r{i}", "description": "d", "outcome": outcome, "reason": "R",
         "conditions": [{"field": field, "op": op, "value": value} for field, op, value in conditions]}
        for i, (outcome, conditions) in enumerate(rules)
    ]  # fmt: skip
    contract = contract_of(LEFT_OUT)
    policy = policy_of(contract, made)
    return policy.model_copy(update={"examples": ()}).problems(contract)


class TestEscapes:
    """What must never be better than a value gets around no rule on it."""

    @pytest.mark.parametrize(
        ("rules", "way"),
        [
            ([("REJECT", [("income", "<", 3)])], "leaving out income, .*; add a rule on income is_null, .* `own`"),
            ([("REJECT", [("burden", ">", 2)])], "leaving out income"),
            ([("REJECT", [("burden", ">", 2)])], "hidden as debt, .*; add a rule on debt == hidden"),
            ([("REJECT", [("debt", ">=", 8)])], "hidden as debt"),
            ([("REJECT", [("income", "outside_training_range", None)])], "leaving out income"),
            (
                [("REJECT", [("income", "<", 3)]), ("CONDITIONAL_APPROVAL", [("income", "is_null", None)])],
                "r0 .* income",
            ),
            (
                [("REJECT", [("income", "<", 3)]), ("REJECT", [("income", "is_null", None), ("grade", "==", "C")])],
                "leaving out income",
            ),
            (
                [("REJECT", [("income", "<", 3)]), ("REJECT", [("income", "outside_training_range", None)])],
                "r0 .* leaving out income",
            ),
        ],
    )
    def test_are_refused(self, rules: list[tuple[str, list[Asked]]], way: str) -> None:
        assert any(re.search(way, problem) for problem in rules_of(*rules))

    @pytest.mark.parametrize(
        "rules",
        [
            [("REJECT", [("income", "is_null", None)])],
            [("REJECT", [("debt", "==", "hidden")])],
            [("REJECT", [("limit", ">", 5)])],  # of which leaving it out has a risk of its own
            [("CONDITIONAL_APPROVAL", [("income", "<", 3)]), ("REJECT", [("income", "is_null", None)])],
            [
                ("REJECT", [("income", "<", 3), ("grade", "==", "C")]),
                ("REJECT", [("income", "is_null", None), ("grade", "in", ["B", "C"])]),
            ],
            [
                ("REJECT", [("burden", ">", 2)]),
                ("REJECT", [("burden", "is_null", None)]),
            ],
            [
                ("REJECT", [("burden", ">", 2), ("limit", ">", 5)]),
                ("REJECT", [("debt", "==", "hidden"), ("limit", ">=", 2)]),
                ("REJECT", [("income", "is_null", None), ("limit", ">", 5)]),
            ],
        ],
    )
    def test_what_another_rule_catches_is_read(self, rules: list[tuple[str, list[Asked]]]) -> None:
        assert rules_of(*rules) == []
