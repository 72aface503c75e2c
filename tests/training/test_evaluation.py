from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from preprocessing.contract import Grouping
from preprocessing.features import FeatureSchema
from preprocessing.groups import NOT_STATED, groups_of
from tests.applications import CONTRACT, parse_application, portfolio, scoring_only
from tests.training.loans import Row, WriteCsv
from training.calibration import learned
from training.data import TrainingData, read_training_data
from training.errors import DataError
from training.evaluation import FOLDS, WITHOUT_DIRECTIONS, Evaluation, evaluate, permutation_importance, split
from training.recipe import CHALLENGERS, Recipe


def columns(schema: FeatureSchema) -> dict[str, list[int]]:
    return {field: schema.columns(field) for field in schema.fields}


@pytest.fixture(scope="module")
def evaluation(data: TrainingData, small: Recipe) -> Evaluation:
    return evaluate(data, small, data.groups)


class TestSplit:
    def test_no_group_on_both_sides(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Near-duplicates stay together, every row is tested once, and each fold trains on all others."""
        twins = [row | {"loan_grade": "G"} for row in rows[:200] if row["loan_grade"] != "G"]
        data = read_training_data(write_csv([*rows, *twins]), CONTRACT)
        everything = list(range(len(rows) + len(twins)))

        folds = split(data, data.groups)

        assert len(set(data.groups)) == len(rows)
        for train, test in folds:
            assert not set(data.groups[train]) & set(data.groups[test])
            assert everything == sorted([*train, *test])
        assert everything == sorted(row for _, test in folds for row in test)

    @pytest.mark.slow
    def test_real_data(self, real: TrainingData) -> None:
        """The same holds for the real data, with defaults spread evenly."""
        rates = []
        for train, test in split(real, real.groups):
            assert not set(real.groups[train]) & set(real.groups[test])
            rates.append(real.labels[test].mean())
        assert max(rates) - min(rates) < 0.002

    @pytest.mark.parametrize("field", ["cb_person_default_on_file", "reference"])
    def test_too_few_groups(self, field: str, data: TrainingData) -> None:
        """Rows equal in a flag, or in what no training file holds, leave nothing to split."""
        few = replace(data, contract=CONTRACT.model_copy(update={"disjoint": (field,)}))
        assert few.disjoint is not None
        with pytest.raises(DataError, match=r"make [12] group\(s\), too few for 5 folds .*; have the contract's"):
            split(few, few.disjoint)

    def test_a_contract_that_tells_no_applicants_apart(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Then every row stands for itself, and the same applicant may be on both sides."""
        contract = CONTRACT.model_copy(update={"applicant": ()})
        twins = [row | {"loan_grade": "G"} for row in rows if row["loan_grade"] != "G"]

        data = read_training_data(write_csv([*rows, *twins]), contract)

        assert len(rows) + len(twins) == len(set(data.groups))


class TestEvaluate:
    def test_out_of_fold(self, data: TrainingData, small: Recipe, evaluation: Evaluation) -> None:
        """A row's PD comes from a model, a calibration and cleaning constants that never saw the row's fold."""
        train, test = split(data, data.groups)[2]
        seen = [data.applications[row] for row in train]
        schema = FeatureSchema.learned(CONTRACT, seen)
        model = small.fit(schema.matrix(seen), data.labels[train], schema.directions)

        margin = model.decision_function(schema.matrix([data.applications[row] for row in test]))
        others = learned(evaluation.margin[train], data.labels[train])

        assert margin.tolist() == evaluation.margin[test].tolist()
        assert expit(others.apply(margin)).tolist() == evaluation.pd[test].tolist()

    def test_without_directions(self, data: TrainingData, small: Recipe, evaluation: Evaluation) -> None:
        """The model is held against the same recipe without directions, calibrated as it is itself."""
        train, test = split(data, data.groups)[2]
        seen = [data.applications[row] for row in train]
        schema = FeatureSchema.learned(CONTRACT, seen)
        free = small.fit(schema.matrix(seen), data.labels[train], [0] * len(schema.features))

        margin = free.decision_function(schema.matrix([data.applications[row] for row in test]))
        others = learned(evaluation.undirected[train], data.labels[train])

        assert margin.tolist() == evaluation.undirected[test].tolist()
        assert expit(others.apply(margin)).tolist() == evaluation.others[WITHOUT_DIRECTIONS][test].tolist()

    def test_spread(self, evaluation: Evaluation) -> None:
        """Mean and sample standard deviation are over the folds."""
        aucs = [roc_auc_score(evaluation.labels[f.rows], evaluation.pd[f.rows]) for f in evaluation.folds]

        spread = evaluation.model()["roc_auc"]

        assert len(aucs) == FOLDS
        assert pytest.approx(np.mean(aucs)) == spread.mean
        assert pytest.approx(np.std(aucs, ddof=1)) == spread.sd
        assert {WITHOUT_DIRECTIONS, *CHALLENGERS} == evaluation.challengers().keys()
        assert len({spread, *(challenger["roc_auc"] for challenger in evaluation.challengers().values())}) == 3

    @pytest.mark.slow
    def test_number_of_processes(
        self, data: TrainingData, small: Recipe, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two processes find what one found."""
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")

        assert evaluation.pd.tolist() == evaluate(data, small, data.groups).pd.tolist()

    def test_progress_bar(self, data: TrainingData, small: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
        """The folds are counted on stderr."""
        evaluate(data, small, data.groups)

        captured = capsys.readouterr()
        assert "5/5" in captured.err
        assert not captured.out

    def test_importance(self, evaluation: Evaluation) -> None:
        """Fields come most important first, each scored field once, and age is not among them."""
        importance = evaluation.importance()
        means = [spread.mean for spread in importance.values()]

        assert sorted(means, reverse=True) == means
        assert len(importance) == 9
        assert not {"person_age", "cb_person_cred_hist_length"} & importance.keys()
        assert next(iter(importance)) in {"loan_grade", "loan_percent_income", "loan_int_rate", "loan_amnt"}


class TestPermutationImportance:
    def test_unused_field(self, data: TrainingData) -> None:
        """A field that the model does not use has none; one that it lives by has all of the AUC above a half."""
        schema = FeatureSchema.learned(scoring_only("loan_amnt", "loan_grade"), data.applications)
        matrix = schema.matrix(data.applications)
        labels = (matrix[:, schema.features.index("loan_grade_rank")] > 3).astype(np.int64)
        model = Recipe(parameters={"n_estimators": 1, "max_depth": 1}).fit(matrix, labels, [0, 0])

        importance = permutation_importance(model, columns(schema), matrix, labels, seed=1)

        assert importance.keys() == {"loan_amnt", "loan_grade"}
        assert importance["loan_amnt"] == 0
        assert pytest.approx(0.5, abs=0.1) == importance["loan_grade"]

    def test_one_hot_moves_together(self, data: TrainingData) -> None:
        """Shuffling a category never makes a row of none or of two of its values."""
        schema = FeatureSchema.learned(CONTRACT, data.applications)
        matrix = schema.matrix(data.applications)
        seen = []

        class Spy:
            def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
                seen.append(rows.copy())
                return np.column_stack([1 - rows[:, 3] / 10, rows[:, 3] / 10])

        permutation_importance(Spy(), columns(schema), matrix, data.labels, seed=1)

        homes = schema.columns("person_home_ownership")
        assert len(seen) == 10
        assert all((rows[:, homes].sum(axis=1) == 1).all() for rows in seen)
        assert any((rows[:, homes] != matrix[:, homes]).any() for rows in seen)


class TestGroups:
    def test_a_number_that_may_be_missing(self) -> None:
        """Ranges of a number that isn't whole say what is in them, and what is missing has a group of its own."""
        grouping = Grouping(field="person_emp_length", title="employment", below=(1, 5))
        (groups,) = groups_of(CONTRACT.model_copy(update={"groups": (grouping,)}))
        base = parse_application(portfolio(1, seed=1)[0])

        found = [groups.of({**base, "person_emp_length": years}) for years in (0.9, 1.0, 4.99, 5.0, None)]

        assert groups.names == ("under 1", "1 to below 5", "5 and over", NOT_STATED)
        assert found == ["under 1", "1 to below 5", "1 to below 5", "5 and over", NOT_STATED]


class TestAge:
    def test_never_read(self, data: TrainingData) -> None:
        """Another age, or another length of credit history, changes no feature of any application."""
        schema = FeatureSchema.learned(CONTRACT, data.applications)
        changed = [
            {**a, "person_age": 120 - a["person_age"], "cb_person_cred_hist_length": 77} for a in data.applications
        ]

        assert schema.matrix(data.applications).tobytes() == schema.matrix(changed).tobytes()
        assert schema.cleaning == FeatureSchema.learned(CONTRACT, changed).cleaning
        assert not {"person_age", "cb_person_cred_hist_length"} & set(schema.fields)
