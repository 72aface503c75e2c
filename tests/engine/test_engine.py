"""Reasons, explanations and counterfactuals of the real model and policy, in process."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from decision import read_policy
from decision.counterfactuals import LOWEST_FRACTION
from decision.policy import better_outcomes
from engine import Assessment, Engine, open_model
from preprocessing.application import Application
from scoring.artifact import read_artifact
from serving.http.answers import explanation, prediction
from tests.applications import CONTRACT, POLICY_FILE, parse_application, portfolio

FILES = read_policy(POLICY_FILE, CONTRACT)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(*open_model(read_artifact(Path("artifacts/model"))), FILES)


@pytest.fixture(scope="module")
def applications() -> list[Application]:
    return [parse_application(document) for document in portfolio(3500, seed=11)]


@pytest.fixture(scope="module")
def refused(engine: Engine, applications: list[Application]) -> list[tuple[Application, Assessment]]:
    assessments = engine.assess(applications)
    return [
        (application, assessment)
        for application, assessment in zip(applications, assessments, strict=True)
        if assessment.decision.outcome != "APPROVE"
    ][:1000]


BEST = {
    "person_income": 1e9, "loan_amnt": 1.0, "loan_grade": "A", "loan_int_rate": 0.0, "person_emp_length": 80.0,
    "cb_person_default_on_file": "N",
}  # fmt: skip
"""Of each field with a direction, by hand."""


def better(fields: Application, name: str) -> list[Application]:
    if name == "loan_percent_income":
        return [{**fields, name: 0.0}]
    values = [BEST[name]] if name in BEST else CONTRACT.by_name[name].choices
    return [CONTRACT.with_values(fields, {name: value}) for value in values]


class TestReasons:
    def test_each_of_1000_refusals_has_one_to_four_reasons_on_different_fields(
        self, refused: list[tuple[Application, Assessment]]
    ) -> None:
        assert len(refused) == 1000
        for _, assessment in refused:
            fields = [reason.field for reason in assessment.reasons]
            assert 1 <= len(fields) <= 4
            assert len(set(fields)) == len(fields)

    def test_no_score_reason_lowers_the_risk(
        self, engine: Engine, refused: list[tuple[Application, Assessment]]
    ) -> None:
        catalogue = FILES.catalogue.codes
        for (_, assessment), explained in zip(refused, engine.explain([fields for fields, _ in refused]), strict=True):
            assert explained.attributions is not None
            by_field = explained.attributions.by_field
            for reason in assessment.reasons:
                if reason.source == "score":
                    assert sum(by_field[name] for name in catalogue[reason.code].scores) > 0

    @pytest.mark.parametrize("unsure", [0.0, 0.05, math.inf])
    def test_quick_sums_rank_them_as_attributions_do(
        self,
        engine: Engine,
        refused: list[tuple[Application, Assessment]],
        unsure: float,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Whether none, some or all of them lie too near each other for quick sums."""
        monkeypatch.setattr("engine.impacts.UNSURE", unsure)
        fields = [fields for fields, _ in refused]
        expected = [explained.reasons for explained in engine.explain(fields)]
        assert expected == [assessment.reasons for assessment in engine.assess(fields)]

    def test_better_values_of_what_the_score_names_would_have_lowered_the_pd(
        self, engine: Engine, refused: list[tuple[Application, Assessment]]
    ) -> None:
        catalogue = FILES.catalogue.codes
        for _, assessment in refused:
            for reason in assessment.reasons:
                if reason.source == "score":
                    scored = catalogue[reason.code].scores
                    others = [other for name in scored for other in better(assessment.fields, name)]
                    assert engine.scorer.score(others).pd.min() < assessment.pd

    def test_a_prior_default_is_told_whatever_the_score_says(
        self, refused: list[tuple[Application, Assessment]]
    ) -> None:
        with_default = [a for _, a in refused if a.fields["cb_person_default_on_file"] == "Y"]
        assert len({a.decision.outcome for a in with_default}) == 2
        assert all("PRIOR_DEFAULT" in {reason.code for reason in a.reasons} for a in with_default)

    def test_an_approval_has_none(self, engine: Engine, applications: list[Application]) -> None:
        approved = [a for a in engine.assess(applications) if a.decision.outcome == "APPROVE"]
        assert approved
        assert all(assessment.reasons == () for assessment in approved)

    def test_explaining_gives_the_same_answer_and_more(self, engine: Engine, applications: list[Application]) -> None:
        plain, explained = engine.assess(applications[:100]), engine.explain(applications[:100])
        assert [prediction(a) for a in plain] == [prediction(a) for a in explained]

    def test_an_answer_is_the_same_bit_for_bit_alone_and_in_any_batch(
        self, engine: Engine, applications: list[Application]
    ) -> None:
        together = [explanation(a) for a in engine.explain(applications[:60])]
        assert together == [explanation(engine.explain([a])[0]) for a in applications[:60]]
        assert together[::-1] == [explanation(a) for a in engine.explain(applications[:60][::-1])]


class TestExplanations:
    def test_base_value_and_attributions_add_up_to_the_logit_of_the_pd(
        self, engine: Engine, applications: list[Application]
    ) -> None:
        for assessment in engine.explain(applications[:300]):
            answer = explanation(assessment)
            shown = answer["explanations"]
            impacts = [entry["impact"] for entry in shown["risk_drivers"] + shown["protective_factors"]]
            pd = answer["probability_of_default"]
            assert math.fsum([shown["base_value"], *impacts]) == pytest.approx(math.log(pd / (1 - pd)), abs=1e-9)

    def test_drivers_and_protective_factors_are_signed_and_strongest_first(
        self, engine: Engine, applications: list[Application]
    ) -> None:
        for assessment in engine.explain(applications[:100]):
            shown = explanation(assessment)["explanations"]
            drivers = [entry["impact"] for entry in shown["risk_drivers"]]
            protective = [entry["impact"] for entry in shown["protective_factors"]]
            assert drivers == sorted((d for d in drivers if d > 0), reverse=True)
            assert protective == sorted(p for p in protective if p < 0)


class TestCounterfactuals:
    def test_the_changed_application_gets_the_promised_answer_200_times_of_200(
        self, engine: Engine, refused: list[tuple[Application, Assessment]]
    ) -> None:
        promises = [
            (application, promise)
            for application, _ in refused
            for promise in explanation(engine.explain([application])[0])["counterfactuals"]
        ][:200]
        assert len(promises) == 200
        for application, promise in promises:
            changed = parse_application({**application, **promise["changes"]})
            (assessment,) = engine.assess([changed])
            answer = prediction(assessment)
            assert promise["decision"] == answer["decision"]
            assert promise["probability_of_default"] == answer["probability_of_default"]

    @pytest.mark.slow
    def test_they_are_what_trying_every_amount_finds(
        self, engine: Engine, refused: list[tuple[Application, Assessment]]
    ) -> None:
        for application, assessment in refused[:12]:
            asked = application["loan_amnt"]
            amounts = list(range(math.ceil(asked) - 1, max(1, math.ceil(asked * LOWEST_FRACTION)) - 1, -1))
            others = [CONTRACT.with_values(application, {"loan_amnt": amount}) for amount in amounts]
            best: dict[str, int] = {}
            for amount, other in zip(amounts, engine.assess(others), strict=True):
                best.setdefault(other.decision.outcome, amount)
            expected = [(o, best[o]) for o in better_outcomes(assessment.decision.outcome) if o in best]
            (explained,) = engine.explain([application])
            alone = [found for found in explained.counterfactuals if "person_emp_length" not in found.changes]
            assert expected == [(found.outcome, found.changes["loan_amnt"]) for found in alone]

    def test_no_larger_amount_gets_a_better_decision(
        self, engine: Engine, refused: list[tuple[Application, Assessment]]
    ) -> None:
        for application, assessment in refused[:100]:
            more = [application["loan_amnt"] * (1 + step / 10) for step in range(1, 41)]
            others = engine.assess([CONTRACT.with_values(application, {"loan_amnt": amount}) for amount in more])
            better = better_outcomes(assessment.decision.outcome)
            assert not [other for other in others if other.decision.outcome in better]
