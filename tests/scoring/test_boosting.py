"""The ensemble as arrays against scikit-learn's own walk: bit for bit, leaf by leaf."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier

from scoring.boosting import Ensemble
from scoring.estimator import trees_of
from scoring.turns import JOINT_ROWS, Intervals, _ordered, _share_tables

FEATURES = 5

MODELS: dict[str, dict[str, Any]] = {
    **{f"depth {depth}": {"max_depth": depth, "n_estimators": 40} for depth in range(1, 7)},
    **{f"ragged, depth {d}": {"max_depth": d, "n_estimators": 40, "max_leaf_nodes": d + 2} for d in (3, 4, 6)},
    "one tree": {"max_depth": 4, "n_estimators": 1},
    "one leaf in every tree": {"min_impurity_decrease": 1e9, "n_estimators": 3},
    "starting from zero": {"init": "zero", "n_estimators": 20},
    **{
        f"starting from {c}, sure": {"init": DummyClassifier(strategy="constant", constant=c), "n_estimators": 3}
        for c in (0, 1)
    },
    "many trees": {"max_depth": 2, "n_estimators": 300, "learning_rate": 0.03},
}


def rows(n: int, seed: int) -> NDArray[np.float32]:
    """Numbers, whole numbers, flags, and a column that hardly varies."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.lognormal(8, 2, n),
        rng.integers(0, 9, n),
        rng.random(n) < 0.3,
        rng.normal(size=n),
        1 + rng.random(n) / 1e6,
    ]
    return np.array(columns, dtype=np.float32).T.copy()


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS.keys())
def model(request: pytest.FixtureRequest) -> GradientBoostingClassifier:
    matrix = rows(800, 1)
    odds = np.log(matrix[:, 0]) - 8 + matrix[:, 1] * matrix[:, 2] - matrix[:, 3] + 1e6 * (matrix[:, 4] - 1)
    labels = (odds + np.random.default_rng(2).normal(size=len(matrix)) > 1).astype(int)
    return GradientBoostingClassifier(random_state=1, subsample=0.8, **request.param).fit(matrix, labels)


@pytest.fixture(scope="module")
def ensemble(model: GradientBoostingClassifier) -> Ensemble:
    return Ensemble(trees_of(model))


def at_thresholds(model: GradientBoostingClassifier) -> NDArray[np.float32]:
    """A row for every split of every tree, at its threshold, and one float32 step to either side."""
    found = []
    for (tree,) in model.estimators_:
        inner = tree.tree_.feature >= 0
        for feature, threshold in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
            middle = np.float32(threshold)
            around = (middle, np.nextafter(middle, np.float32(-np.inf)), np.nextafter(middle, np.float32(np.inf)))
            found += [(feature, value) for value in around]
    matrix = rows(max(1, len(found)), 3)
    for row, (feature, value) in zip(matrix, found, strict=False):
        row[feature] = value
    return matrix


class TestLogOdds:
    def test_random_rows(self, model: GradientBoostingClassifier, ensemble: Ensemble) -> None:
        matrix = rows(2000, 4)
        assert model.decision_function(matrix).tobytes() == ensemble.log_odds(ensemble.turns(matrix)).tobytes()

    def test_every_threshold(self, model: GradientBoostingClassifier, ensemble: Ensemble) -> None:
        matrix = at_thresholds(model)
        assert model.decision_function(matrix).tobytes() == ensemble.log_odds(ensemble.turns(matrix)).tobytes()

    @pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 64])
    def test_any_number_of_rows(self, ensemble: Ensemble, n: int) -> None:
        matrix = rows(128, 5)
        whole = ensemble.log_odds(ensemble.turns(matrix))
        parts = [ensemble.log_odds(ensemble.turns(matrix[i : i + n])) for i in range(0, len(matrix), n)]
        assert whole.tobytes() == np.concatenate(parts).tobytes()

    def test_no_rows(self, ensemble: Ensemble) -> None:
        assert ensemble.log_odds(ensemble.turns(rows(0, 1))).shape == (0,)

    def test_extremes(self, model: GradientBoostingClassifier, ensemble: Ensemble) -> None:
        largest = np.finfo(np.float32).max
        matrix = np.array([np.full(FEATURES, value) for value in (-largest, -0.0, 0.0, largest)], dtype=np.float32)
        assert model.decision_function(matrix).tobytes() == ensemble.log_odds(ensemble.turns(matrix)).tobytes()


class TestLeaves:
    def test_one_leaf_of_each_tree_is_reached(self, model: GradientBoostingClassifier, ensemble: Ensemble) -> None:
        """Within the bounds on all features, the leaf that scikit-learn comes to and no other."""
        bounds = ensemble.bounds()
        for row in rows(50, 6):
            within = ensemble.is_leaf.copy()
            for column, (low, high) in bounds.items():
                within &= (low < row[column]) & (row[column] <= high)
            assert (within.sum(axis=1) == 1).all()
            leaves = model.apply(row[np.newaxis])[0, :, 0].astype(int)
            trees = [tree.tree_ for (tree,) in model.estimators_]
            expected = [model.learning_rate * tree.value[leaf, 0, 0] for tree, leaf in zip(trees, leaves, strict=True)]
            assert expected == ensemble.value[within].tolist()


def test_deeper_trees_are_refused() -> None:
    matrix = rows(400, 8)
    labels = np.random.default_rng(9).integers(0, 2, len(matrix))
    deep = GradientBoostingClassifier(max_depth=7, n_estimators=2, random_state=1).fit(matrix, labels)
    with pytest.raises(ValueError, match="a tree of depth 7, more than 6; grow shallower trees"):
        trees_of(deep)


def test_features_share_a_table_as_long_as_it_stays_small() -> None:
    """Of 256 rows at most: one for each combination of their intervals."""
    assert JOINT_ROWS == 256
    edges = [15, 15, 15, 16, 1, 255]
    intervals = [
        Intervals(i, np.zeros(n, dtype=np.float32), np.zeros((n + 1, 1), dtype=np.uint8)) for i, n in enumerate(edges)
    ]
    shared = [[len(each.edges) for each in group] for group in _share_tables(intervals)]
    assert shared == [[15, 15], [15], [16, 1], [255]]


def test_integers_in_the_order_of_floats() -> None:
    """By which features are looked up; both zeros are one, whichever of them a threshold is."""
    values = np.array([-np.inf, -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.5, np.inf], dtype=np.float32)
    ordered = _ordered(values)
    assert [low < high for low, high in pairwise(values.tolist())] == (np.diff(ordered) > 0).tolist()
    assert ordered[3] == ordered[4]
