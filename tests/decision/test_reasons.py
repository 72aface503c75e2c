"""Which reasons are given for a decision, and in what order."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision import Outcome, Policy, ReasonCatalogue, decide, explain_decision, read_policy
from decision.reasons import MAX_REASONS, Reason, ScoreFactors, impacts_of
from tests.applications import CONTRACT, POLICY_FILE

FILES = read_policy(POLICY_FILE, CONTRACT)
CATALOGUE = FILES.catalogue
FIELDS = dict(FILES.policy.examples[0].application(CONTRACT))
SCORED = sorted(CATALOGUE.scored_fields)


def policy_with(materiality: float) -> Policy:
    """The default book's, with another floor."""
    return FILES.policy.model_copy(
        update={"reasons": FILES.policy.reasons.model_copy(update={"materiality": materiality})}
    )


POLICY = policy_with(0)
"""Where nothing is said of the floor, everything adverse is material."""


def reasons_for(
    pd: float,
    attributions: dict[str, float],
    *,
    policy: Policy = POLICY,
    catalogue: ReasonCatalogue = CATALOGUE,
    lowering: Collection[str] = SCORED,
    **changes: Any,
) -> tuple[Reason, ...]:
    fields = FIELDS | changes
    factors = ScoreFactors(
        impacts_of(catalogue, dict.fromkeys(SCORED, 0.0) | attributions),
        policy.least_impact(pd),
        lambda groups: [any(name in lowering for name in group) for group in groups],
    )
    return explain_decision(decide(policy, fields, pd), catalogue, fields, factors)


def codes(pd: float, attributions: dict[str, float], **changes: Any) -> list[tuple[str, str]]:
    return [(reason.code, reason.source) for reason in reasons_for(pd, attributions, **changes)]


def test_every_scored_field_has_a_reason() -> None:
    assert set(CONTRACT.scored) == CATALOGUE.scored_fields


def test_an_approval_has_no_reasons() -> None:
    assert codes(0.05, {"loan_grade": 3.0}) == []


class TestTheScore:
    def test_the_most_adverse_come_first(self) -> None:
        expected = [("LOAN_PURPOSE", "score"), ("CREDIT_GRADE", "score")]
        assert expected == codes(0.5, {"loan_grade": 0.5, "loan_intent": 0.9})

    def test_income_amount_and_ratio_are_one_reason_with_their_sum(self) -> None:
        attributions = {"person_income": 0.4, "loan_amnt": 0.4, "loan_percent_income": -0.1, "loan_grade": 0.6}
        assert codes(0.5, attributions) == [("INSUFFICIENT_INCOME", "score"), ("CREDIT_GRADE", "score")]

    def test_at_most_four_are_given(self) -> None:
        assert len(codes(0.5, dict.fromkeys(SCORED, 1.0))) == 4

    def test_protective_factors_never_pad_the_list(self) -> None:
        assert codes(0.5, dict.fromkeys(SCORED, -1.0) | {"loan_intent": 0.1}) == [("LOAN_PURPOSE", "score")]

    def test_ties_keep_the_order_of_the_catalogue(self) -> None:
        expected = [entry.code for entry in CATALOGUE.reasons if len(entry.scores) == 1][:4]
        attributions = {entry.scores[0]: 0.5 for entry in CATALOGUE.reasons if len(entry.scores) == 1}
        assert expected == [code for code, _ in codes(0.5, dict(reversed(attributions.items())))]

    def test_a_missing_value_is_told_as_missing(self) -> None:
        (reason,) = reasons_for(0.5, {"person_emp_length": 1.0}, person_emp_length=None)
        assert reason.text == "Length of employment not stated"

    def test_a_category_without_a_direction_is_told_by_name(self) -> None:
        (reason,) = reasons_for(0.5, {"loan_intent": 1.0}, loan_intent="DEBTCONSOLIDATION")
        assert reason.text == "Purpose of the loan: debt consolidation"


class TestTruth:
    def test_what_no_better_value_would_have_helped_is_not_told(self) -> None:
        attributions = {"loan_grade": 2.0, "loan_intent": 1.0}
        assert codes(0.5, attributions, lowering={"loan_intent"}) == [("LOAN_PURPOSE", "score")]

    def test_of_several_fields_one_that_would_have_helped_is_enough(self) -> None:
        attributions = {"person_income": 1.0, "loan_intent": 0.5}
        expected = [("INSUFFICIENT_INCOME", "score")]
        assert expected == codes(0.5, attributions, lowering={"loan_amnt"})

    def test_where_no_material_one_is_true_the_strongest_true_one_is_told(self) -> None:
        """Whatever its size, and were it protective: an untrue one is worse."""
        attributions = {"loan_grade": 2.0, "loan_intent": -0.1, "person_emp_length": -0.2}
        true = {"loan_intent", "person_emp_length"}
        assert [("LOAN_PURPOSE", "score")] == codes(0.5, attributions, lowering=true)

    def test_where_none_is_true_the_strongest_is_told(self) -> None:
        assert codes(0.5, {"loan_grade": 2.0, "loan_intent": 1.0}, lowering=()) == [("CREDIT_GRADE", "score")]

    def test_the_model_is_asked_of_the_material_ones_first_and_at_most_twice(self) -> None:
        """Each question costs an answer some time."""
        asked: list[set[str]] = []

        def lowering(groups: Sequence[Sequence[str]]) -> list[bool]:
            asked.append(set(chain(*groups)))
            return [False for _ in groups]

        attributions = dict.fromkeys(SCORED, 0.0) | {"loan_grade": 2.0, "loan_intent": 1.0}
        for pd in (0.5, 0.05):
            factors = ScoreFactors(impacts_of(CATALOGUE, attributions), 0.0, lowering)
            explain_decision(decide(POLICY, FIELDS, pd), CATALOGUE, FIELDS, factors)
        assert asked == [{"loan_grade", "loan_intent"}, set(SCORED)]


class TestMateriality:
    @pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
    def test_the_floor_is_a_share_of_the_log_odds_to_the_approval_threshold(self, share: float) -> None:
        policy = policy_with(share)
        floor = policy.least_impact(0.5)
        assert math.isclose(floor, share * math.log(9))  # the threshold, .1, is odds of 1 to 9
        attributions = {"loan_grade": 2 * floor, "loan_intent": floor, "person_emp_length": math.nextafter(floor, 0)}
        expected = [("CREDIT_GRADE", "score"), ("LOAN_PURPOSE", "score")]
        assert expected == codes(0.5, attributions, policy=policy)

    def test_without_a_floor_all_that_is_adverse_is_told(self) -> None:
        attributions = {"loan_grade": 1.0, "loan_intent": 5e-324}
        assert codes(0.5, attributions) == [("CREDIT_GRADE", "score"), ("LOAN_PURPOSE", "score")]

    def test_a_tenth_where_the_policy_says_nothing(self) -> None:
        assert FILES.policy.reasons.materiality == 0.2

    def test_at_the_threshold_itself_everything_adverse_is_material(self) -> None:
        assert policy_with(1).least_impact(0.1) == 0

    @pytest.mark.parametrize("pd", [0.0, 1.0])
    def test_of_a_rounded_pd_the_floor_is_finite(self, pd: float) -> None:
        nearest = math.log(2**53)  # the odds of a PD that is one bit off
        assert math.isclose(policy_with(1).least_impact(pd), math.copysign(nearest, pd - 0.5) + math.log(9))

    def test_one_is_told_whatever_the_floor(self) -> None:
        attributions = {"loan_grade": 0.01, "loan_intent": 0.02}
        assert codes(0.5, attributions, policy=policy_with(1)) == [("LOAN_PURPOSE", "score")]


class TestRules:
    def test_a_decision_that_a_rule_alone_forced_gives_the_rule_alone(self) -> None:
        assert codes(0.01, {"loan_grade": 3.0}, cb_person_default_on_file="Y") == [("PRIOR_DEFAULT", "policy")]
        assert codes(0.15, {"loan_grade": 3.0}, person_age=17) == [("UNDER_AGE", "policy")]

    def test_in_a_grey_band_rule_and_score_are_both_given_the_rule_first(self) -> None:
        given_reasons = codes(0.15, {"loan_grade": 3.0}, cb_person_default_on_file="Y")
        assert given_reasons == [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]

    def test_beside_a_rule_the_score_gives_a_reason_of_its_own_whatever_the_floor(self) -> None:
        given_reasons = codes(0.15, {"loan_grade": 0.01}, policy=policy_with(1), cb_person_default_on_file="Y")
        assert given_reasons == [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]

    def test_no_field_is_named_twice(self) -> None:
        attributions = {"cb_person_default_on_file": 3.0, "loan_grade": 1.0}
        given_reasons = codes(0.15, attributions, cb_person_default_on_file="Y")
        assert given_reasons == [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]


class TestMilderRules:
    """What would alone have kept the applicant from approval, where the outcome is worse."""

    def test_one_is_told_behind_the_score(self) -> None:
        expected = [("CREDIT_GRADE", "score"), ("PRIOR_DEFAULT", "policy")]
        assert expected == codes(0.5, {"loan_grade": 3.0}, cb_person_default_on_file="Y")

    def test_one_keeps_a_place_among_the_four(self) -> None:
        attributions = dict.fromkeys(SCORED, 1.0) | {"cb_person_default_on_file": 0.0}
        expected = ["INSUFFICIENT_INCOME", "CREDIT_GRADE", "INTEREST_RATE", "PRIOR_DEFAULT"]
        assert expected == [code for code, _ in codes(0.5, attributions, cb_person_default_on_file="Y")]

    def test_one_that_the_score_names_stands_where_the_score_has_it(self) -> None:
        attributions = {"loan_grade": 1.0, "cb_person_default_on_file": 2.0}
        expected = [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]
        assert expected == codes(0.5, attributions, cb_person_default_on_file="Y")

    def test_one_is_told_behind_a_rule_that_forced_the_outcome(self) -> None:
        expected = [("UNDER_AGE", "policy"), ("PRIOR_DEFAULT", "policy")]
        assert expected == codes(0.01, {"loan_grade": 3.0}, person_age=17, cb_person_default_on_file="Y")

    def test_one_with_a_text_of_its_own_is_not_lost_behind_the_score_on_its_field(self) -> None:
        """Its text is told in place of the score's."""
        rule = next(rule for rule in POLICY.rules if rule.id == "amount_above_income")
        milder = rule.model_copy(update={"outcome": Outcome.CONDITIONAL_APPROVAL})
        policy = POLICY.model_copy(update={"rules": (milder,)})
        expected = [("AMOUNT_ABOVE_INCOME", "policy"), ("CREDIT_GRADE", "score")]
        attributions = {"loan_amnt": 2.0, "loan_grade": 1.0}
        assert expected == codes(0.5, attributions, policy=policy, loan_percent_income=1.5)

    def test_however_many_they_are_the_score_that_rejected_gives_one(self) -> None:
        rule = next(rule for rule in POLICY.rules if rule.id == "prior_default")
        names = ["PRIOR_DEFAULT", "UNDER_AGE", "AMOUNT_ABOVE_INCOME", "INTEREST_RATE", "HOUSING"]
        rules = tuple(rule.model_copy(update={"id": name.lower(), "reason": name}) for name in names)
        policy = POLICY.model_copy(update={"rules": rules})
        attributions = {"loan_grade": 2.0, "loan_intent": 1.0}
        expected = ["CREDIT_GRADE", "PRIOR_DEFAULT", "UNDER_AGE", "AMOUNT_ABOVE_INCOME"]
        assert expected == [c for c, _ in codes(0.5, attributions, policy=policy, cb_person_default_on_file="Y")]


@given(
    st.floats(0, 1),
    st.fixed_dictionaries({field: st.floats(-5, 5) for field in SCORED}),
    st.sets(st.sampled_from(SCORED)),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.fixed_dictionaries(
        {
            "person_age": st.integers(15, 70),
            "cb_person_default_on_file": st.sampled_from("YN"),
            "loan_percent_income": st.floats(0, 2),
        }
    ),
)
def test_reasons_keep_their_promises_whatever_the_model_says(
    pd: float, attributions: dict[str, float], lowering: set[str], materiality: float, changes: dict[str, Any]
) -> None:
    policy = policy_with(materiality)
    decision = decide(policy, FIELDS | changes, pd)
    reasons = reasons_for(pd, attributions, policy=policy, lowering=lowering, **changes)
    if decision.outcome is Outcome.APPROVE:
        assert reasons == ()
        return
    named = [reason.field for reason in reasons]
    assert 1 <= len(set(named)) == len(named) <= MAX_REASONS
    assert len({reason.text for reason in reasons}) == len(named)
    by_score = [reason for reason in reasons if reason.source == "score"]
    impacts = [sum(attributions.get(name, 0.0) for name in CATALOGUE.codes[reason.code].scores) for reason in by_score]
    assert all(first >= second for first, second in pairwise(impacts))
    if len(by_score) > 1:
        assert all(impact >= policy.least_impact(pd) and impact > 0 for impact in impacts)
    if lowering:
        assert all(lowering & set(CATALOGUE.codes[reason.code].scores) for reason in by_score)
    told = {CATALOGUE.codes[reason.code].field for reason in reasons if reason.source == "policy"}
    assert told == {CATALOGUE.codes[rule.reason].field for rule in decision.rules}
    first = [reason.source for reason in reasons][: sum(rule.outcome is decision.outcome for rule in decision.rules)]
    assert set(first) <= {"policy"}
    if decision.outcome is not decision.band:
        assert not by_score


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["reasons"].append(d["reasons"][0]), "reason code used twice: INSUFFICIENT_INCOME"),
        (lambda d: d["reasons"][1]["scores"].append("loan_amnt"), "field scored under two reasons: loan_amnt"),
        (
            lambda d: d["reasons"][1].update(field="loan_int_rate"),
            "two scored reasons are reported under loan_int_rate; merge their scores",
        ),
    ],
)
def test_an_incoherent_catalogue_is_refused(change: Any, message: str) -> None:
    document = CATALOGUE.model_dump(mode="json")
    change(document)
    with pytest.raises(ValueError, match=message):
        ReasonCatalogue.model_validate_json(json.dumps(document))
