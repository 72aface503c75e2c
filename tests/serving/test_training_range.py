"""What an answer says of values that the model has not learned from."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests import expect

CONDITIONAL, APPROVE = "CONDITIONAL_APPROVAL", "APPROVE"
FAR = {
    "nothing": ({}, [], []),
    "a rate above": ({"loan_int_rate": 40}, ["loan_int_rate"], ["RATE_BEYOND_EXPERIENCE"]),
    "a rate below": ({"loan_int_rate": 1}, ["loan_int_rate"], []),
    "more years of employment": ({"person_emp_length": 60}, ["person_emp_length"], []),
    "an income above": ({"person_income": 1e7}, ["person_income", "loan_percent_income"], []),
    "an amount above": (
        {"loan_amnt": 100_000, "person_income": 1e6},
        ["person_income", "loan_amnt"],
        ["AMOUNT_BEYOND_EXPERIENCE"],
    ),
    "an income below": (
        {"person_income": 7000, "loan_amnt": 1000}, ["person_income"], ["INCOME_BEYOND_EXPERIENCE"],
    ),
    "a ratio above": (
        {"person_income": 12_000, "loan_amnt": 9000}, ["loan_percent_income"], ["RATIO_BEYOND_EXPERIENCE"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAR)
def test_every_route_names_what_lies_outside(name: str, client: httpx.Client, example: dict[str, Any]) -> None:
    """In the contract's order, on both sides; what lies beyond the worse end is never approved without conditions."""
    changes, outside, reasons = FAR[name]
    application = {field: value for field, value in example.items() if field != "loan_percent_income"} | changes
    explained = expect.answer(client.post("/predict/explain", json=application))
    (row,) = expect.answer(client.post("/predict/batch", json=[application]))["results"]
    answer = expect.answer(client.post("/predict", json=application))
    assert outside == answer["outside_training_range"]
    assert outside == row["outside_training_range"] == explained["outside_training_range"]
    if reasons:
        assert APPROVE != answer["decision"]
    if answer["decision"] == CONDITIONAL:
        told = [reason["code"] for reason in answer["reasons"] if reason["source"] == "policy"]
        assert reasons == told


def test_an_offer_stays_within(client: httpx.Client, example: dict[str, Any]) -> None:
    """What would have changed a rule's mind is an amount that the model has learned from."""
    application = {field: value for field, value in example.items() if field != "loan_percent_income"}
    answer = expect.answer(client.post("/predict/explain", json=application | {"loan_amnt": 1e5, "person_income": 1e6}))
    assert CONDITIONAL == answer["decision"]
    offers = [offer["changes"] for offer in answer["counterfactuals"] if "loan_amnt" in offer["changes"]]
    assert offers
    for changes in offers:
        again = expect.answer(client.post("/predict", json=application | {"person_income": 1e6} | changes))
        assert APPROVE == again["decision"]
