"""What the policy decides, and that each part of it is obeyed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision import Outcome, Policy, decide, read_policy
from decision.policy import Condition
from tests.applications import CONTRACT, POLICY_FILE

POLICY: Policy = read_policy(POLICY_FILE, CONTRACT).policy
FIELDS = dict(POLICY.examples[0].application(CONTRACT))

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
