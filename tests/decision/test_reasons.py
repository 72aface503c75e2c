"""Which reasons are given for a decision, and in what order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision import Outcome, ReasonCatalogue, decide, explain_decision, read_policy
from tests.applications import CONTRACT, POLICY_FILE

FILES = read_policy(POLICY_FILE, CONTRACT)
POLICY, CATALOGUE = FILES.policy, FILES.catalogue
FIELDS = dict(POLICY.examples[0].application(CONTRACT))
SCORED = sorted(CATALOGUE.scored_fields)


def codes(pd: float, attributions: dict[str, float], **changes: Any) -> list[tuple[str, str]]:
    fields = FIELDS | changes
    reasons = explain_decision(decide(POLICY, fields, pd), CATALOGUE, fields, dict.fromkeys(SCORED, 0.0) | attributions)
    return [(reason.code, reason.source) for reason in reasons]


def test_every_scored_field_has_a_reason() -> None:
    assert set(CONTRACT.scored) == CATALOGUE.scored_fields


def test_an_approval_has_no_reasons() -> None:
    assert codes(0.05, {"loan_grade": 3.0}) == []


def test_the_most_adverse_come_first() -> None:
    assert codes(0.5, {"loan_grade": 0.5, "loan_intent": 0.9}) == [("LOAN_PURPOSE", "score"), ("CREDIT_GRADE", "score")]


def test_income_amount_and_ratio_are_one_reason_with_their_sum() -> None:
    attributions = {"person_income": 0.4, "loan_amnt": 0.4, "loan_percent_income": -0.1, "loan_grade": 0.6}
    assert codes(0.5, attributions) == [("INSUFFICIENT_INCOME", "score"), ("CREDIT_GRADE", "score")]


def test_at_most_four_are_given() -> None:
    assert len(codes(0.5, dict.fromkeys(SCORED, 1.0))) == 4


def test_protective_factors_never_pad_the_list() -> None:
    assert codes(0.5, dict.fromkeys(SCORED, -1.0) | {"loan_intent": 0.1}) == [("LOAN_PURPOSE", "score")]


def test_ties_keep_the_order_of_the_catalogue() -> None:
    expected = [entry.code for entry in CATALOGUE.reasons if len(entry.scores) == 1][:4]
    attributions = {entry.scores[0]: 0.5 for entry in CATALOGUE.reasons if len(entry.scores) == 1}
    assert expected == [code for code, _ in codes(0.5, dict(reversed(attributions.items())))]


def test_a_decision_that_a_rule_alone_forced_gives_the_rule_alone() -> None:
    assert codes(0.01, {"loan_grade": 3.0}, cb_person_default_on_file="Y") == [("PRIOR_DEFAULT", "policy")]
    assert codes(0.15, {"loan_grade": 3.0}, person_age=17) == [("UNDER_AGE", "policy")]


def test_in_a_grey_band_rule_and_score_are_both_given_the_rule_first() -> None:
    given_reasons = codes(0.15, {"loan_grade": 3.0}, cb_person_default_on_file="Y")
    assert given_reasons == [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]


def test_a_rule_that_did_not_bring_the_outcome_is_no_reason_for_it() -> None:
    assert codes(0.5, {"loan_grade": 3.0}, cb_person_default_on_file="Y") == [("CREDIT_GRADE", "score")]


def test_no_field_is_named_twice() -> None:
    attributions = {"cb_person_default_on_file": 3.0, "loan_grade": 1.0}
    given_reasons = codes(0.15, attributions, cb_person_default_on_file="Y")
    assert given_reasons == [("PRIOR_DEFAULT", "policy"), ("CREDIT_GRADE", "score")]


def test_a_missing_value_is_told_as_missing() -> None:
    fields = FIELDS | {"person_emp_length": None}
    attributions = dict.fromkeys(SCORED, 0.0) | {"person_emp_length": 1.0}
    (reason,) = explain_decision(decide(POLICY, fields, 0.5), CATALOGUE, fields, attributions)
    assert reason.text == "Length of employment not stated"


@given(
    st.floats(0, 1),
    st.fixed_dictionaries({field: st.floats(-5, 5) for field in SCORED}),
    st.fixed_dictionaries({"person_age": st.integers(15, 70), "cb_person_default_on_file": st.sampled_from("YN")}),
)
def test_reasons_keep_their_promises_for_any_attributions(
    pd: float, attributions: dict[str, float], changes: dict[str, Any]
) -> None:
    fields = FIELDS | changes
    decision = decide(POLICY, fields, pd)
    reasons = explain_decision(decision, CATALOGUE, fields, attributions)
    named = [reason.field for reason in reasons]
    impacts = [reason.attribution for reason in reasons if reason.attribution is not None]
    assert len(set(named)) == len(named) <= 4
    assert all(impact > 0 for impact in impacts)
    assert sorted(impacts, reverse=True) == impacts
    assert [r.source for r in reasons] == sorted((r.source for r in reasons), key=["policy", "score"].index)
    assert reasons == () or decision.outcome is not Outcome.APPROVE


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
