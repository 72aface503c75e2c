"""Models that differ in one thing, and what is measured on them: a scorecard, sensitivity, stability, the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from preprocessing.application import Application
from tests.applications import CONTRACT, scoring_only
from training.book import Book
from training.data import TrainingData
from training.evaluation import Task, evaluate, tasks
from training.recipe import Recipe
from training.report.alternatives import Alternative, front, variants
from training.report.refits import Refit, Variant, held, refit, scorecards, seen_columns
from training.report.scorecard import ScorecardFit
from training.report.sensitivity import moves
from training.report.stability import compared

QUICKEST = Recipe({"n_estimators": 5, "max_depth": 2, "max_leaf_nodes": 4, "learning_rate": 0.3, "min_samples_leaf": 5})


def nothing(_: Application) -> tuple[str, ...]:
    """No value lies outside of what the model knows."""
    return ()


@pytest.fixture(scope="module")
def folds(data: TrainingData) -> list[Task]:
    return list(tasks(data, data.groups))


class TestRefit:
    def test_nothing_left_out(self, data: TrainingData, folds: list[Task]) -> None:
        """Then it is the shipped recipe, bit by bit but for the order of a sum."""
        again = refit(folds, Variant(), QUICKEST)
        expected = evaluate(data, QUICKEST, data.groups).margin

        assert np.allclose(expected, again.margin, rtol=0, atol=1e-9)
        assert np.array_equal(Refit.of(again.margin, data.labels, []).pd, again.pd)

    def test_without_a_field(self, folds: list[Task]) -> None:
        """All columns of the field are gone, and no others; what the model says does not depend on them."""
        task = folds[0]
        columns = seen_columns(task, ["person_home_ownership"])
        gone = set(range(task.seen.shape[1])) - set(columns)
        assert gone == set(task.columns["person_home_ownership"])

        found = refit(folds, Variant(without=("loan_grade",)), QUICKEST)
        assert not np.allclose(found.margin, refit(folds, Variant(), QUICKEST).margin)

    def test_without_a_direction(self, folds: list[Task]) -> None:
        """The field's columns may go either way, the others' directions stay."""
        task = folds[0]
        freed = held(task, ["loan_amnt"])

        assert {0} == {freed[column] for column in task.columns["loan_amnt"]}
        others = [c for c in range(len(freed)) if c not in task.columns["loan_amnt"]]
        assert [task.directions[c] for c in others] == [freed[c] for c in others]
        assert any(freed)

    def test_scorecards(self, data: TrainingData, folds: list[Task]) -> None:
        """Every row has a PD, from a card that did not see it."""
        pd = scorecards(folds)
        task = folds[1]
        card = ScorecardFit(task.columns)(task.seen.astype(float), task.seen_labels)

        assert ((pd > 0) & (pd < 1)).all()
        assert np.array_equal(card.predict_proba(task.unseen.astype(float))[:, 1], pd[task.rows])
        assert len(data.labels) == len(pd)


class TestScorecard:
    def test_weights_of_evidence(self) -> None:
        """By hand: 4 goods and 1 bad in the one bin, 1 and 3 in the other, each with half a loan more."""
        matrix = np.array([[0.0]] * 5 + [[1.0]] * 4)
        labels = np.array([0, 0, 0, 0, 1, 0, 1, 1, 1])

        card = ScorecardFit({"flag": [0]})(matrix, labels)

        (binning,) = card.binnings
        assert pytest.approx(np.log(1.5 / 5) - np.log(4.5 / 6)) == binning.weights[(0,)]
        assert pytest.approx(np.log(3.5 / 5) - np.log(1.5 / 6)) == binning.weights[(1,)]

    def test_points_add_up(self, folds: list[Task], book: Book) -> None:
        """A field's points and the others' are the credit score of the PD, on the policy's scale."""
        scale, task = book.policy.policy.score, folds[0]
        matrix = task.unseen.astype(float)
        card = ScorecardFit(task.columns)(task.seen.astype(float), task.seen_labels)

        points = card.points(matrix, scale)

        pd = card.predict_proba(matrix)[:, 1]
        within = (scale.minimum, scale.maximum)
        assert (len(matrix), 9) == points.shape
        assert [scale.score(each) for each in pd.tolist()] == np.clip(
            np.floor(points.sum(axis=1) + 0.5), *within
        ).astype(int).tolist()

    def test_a_flag_says_more_than_its_stand_in(self) -> None:
        """Missing values have a bin of their own, whatever number stands in; a bin never seen weighs 0."""
        rng = np.random.default_rng(2)
        number = rng.normal(size=400)
        missing = (np.arange(400) % 4 == 0).astype(float)
        labels = np.where(missing == 1, rng.random(400) < 0.8, rng.random(400) < 0.2).astype(np.int64)
        card = ScorecardFit({"field": [0, 1]})(np.column_stack([number, missing]), labels)
        (binning,) = card.binnings

        stand_ins = binning.values(np.array([[-3.0, 1.0], [0.0, 1.0], [3.0, 1.0]]))

        assert len(set(stand_ins.tolist())) == 1
        assert stand_ins[0] > max(weight for bin_, weight in binning.weights.items() if bin_[1] == 0)
        assert [0.0] == ScorecardFit({"a": [0]})(np.zeros((4, 1)), np.array([0, 1, 0, 1])).binnings[0].values(
            np.array([[1.0]])
        ).tolist()


class TestMoves:
    def test_by_hand(self, data: TrainingData, book: Book) -> None:
        """A PD of amount over income falls with a higher income and by as much as the ratio does."""

        def ratio(applications: Sequence[Application]) -> np.ndarray:
            return np.array([min(a["loan_percent_income"], 1.0) for a in applications])

        found = {(m.field, m.step): m for m in moves(CONTRACT, data.applications, ratio, book.policy.policy, nothing)}

        incomes = np.array([a["person_income"] for a in data.applications])
        deciles = np.unique(np.quantile(incomes, np.linspace(0.1, 0.9, 9), method="lower"))
        changes = []
        for a in data.applications:
            higher = deciles[deciles > a["person_income"]]
            if len(higher):
                now = min(a["loan_amnt"] / a["person_income"], 1.0)
                changes.append(min(a["loan_amnt"] / higher.min(), 1.0) - now)
        up = found["person_income", "next decile up"]
        assert len(changes) == up.rows
        assert pytest.approx(np.quantile(changes, [0.05, 0.5, 0.95])) == [up.low, up.median, up.high]
        assert up.high <= 0
        assert 0 < up.decisions < 1
        assert found["loan_int_rate", "left out"].low == found["loan_int_rate", "left out"].high == 0
        homes = sum(a["person_home_ownership"] is not None for a in data.applications)
        assert found["person_home_ownership", "each other"].rows == 3 * homes
        assert not {field for field, _ in found} & {"person_age", "loan_percent_income"}

    def test_rules_move_too(self, data: TrainingData, book: Book) -> None:
        """A PD that never moves leaves the decisions that rules change: a prior default, or none."""

        def low(applications: Sequence[Application]) -> np.ndarray:
            return np.full(len(applications), 0.01)

        found = {(m.field, m.step): m for m in moves(CONTRACT, data.applications, low, book.policy.policy, nothing)}

        assert found["cb_person_default_on_file", "each other"].decisions > 0.9
        assert found["loan_grade", "next category"].decisions == 0
        assert found["loan_grade", "category before"].rows < len(data.applications)


class TestCompared:
    def test_hand_values(self, book: Book) -> None:
        """Mean absolute change, and the share of outcomes that differ; the other figures are fold by fold."""
        labels, folds = np.array([0, 1, 0, 1]), [np.array([0, 1]), np.array([2, 3])]
        pd = np.array([0.05, 0.3, 0.09, 0.15])
        other = np.array([0.05, 0.3, 0.16, 0.12])
        refits = {"same": Refit(pd, pd, folds), "moved": Refit(other, other, folds)}

        (same, moved) = compared(labels, refits["same"], refits, book.policy.policy, np.zeros(4, dtype=int))

        assert (0.0, 0.0, 1.0) == (same.change, same.decisions, same.roc_auc)
        assert pytest.approx((0.1 / 4, 0.25)) == (moved.change, moved.decisions)
        assert moved.roc_auc == 0.5
        assert pytest.approx(((0.05**2 + 0.7**2) / 2 + (0.16**2 + 0.88**2) / 2) / 2) == moved.brier


class TestSearch:
    def test_front(self) -> None:
        """A model is on the front where no other is better in the one and no worse in the other: by brute force."""
        rng = np.random.default_rng(4)
        models = [
            Alternative(str(i), float(auc), 0.1, 0.5, {"age": float(ratio)})
            for i, (auc, ratio) in enumerate(rng.integers(0, 12, (60, 2)) / 12)
        ]

        found = {model.name for model in front(models)}

        for model in models:
            beaten = any(
                (o.roc_auc > model.roc_auc and o.lowest >= model.lowest)
                or (o.roc_auc >= model.roc_auc and o.lowest > model.lowest)
                for o in models
            )
            assert (model.name in found) is not beaten

    def test_variants(self) -> None:
        """Each direction, each field, each pair of those that are paired; a model of nothing is never asked for."""
        contract = scoring_only("loan_amnt", "loan_grade", "loan_intent")
        names = [name for name, _ in variants(contract, ("loan_grade", "loan_intent"))]
        lonely = [name for name, _ in variants(scoring_only("loan_grade"), ("loan_grade",))]

        assert {
            "no direction of loan_amnt",
            "no direction of loan_grade",
            "without loan_amnt",
            "without loan_grade",
            "without loan_intent",
            "without loan_grade and loan_intent",
        } == set(names)
        assert len(names) == 6
        assert ["no direction of loan_grade"] == lonely

    def test_no_groups(self) -> None:
        """Without groups there is no ratio below 1."""
        nothing: dict[str, Any] = {}

        assert Alternative("a", 0.8, 0.1, 0.5, nothing).lowest == 1.0
