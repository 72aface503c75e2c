from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.base import Direction
from scoring.artifact import MANIFEST, IncoherentArtifactError, read_artifact
from scoring.boosting import Ensemble
from scoring.directions import reversals
from scoring.estimator import load_estimator, trees_of
from scoring.scorer import Scorer
from tests.artifacts import MODEL_FOLDER, edit_signed, replace_both, small_model

ROUNDING = 1e-12
"""Leaves so near one another may change places when they are shrunk."""


def free(depth: int, seed: int) -> GradientBoostingClassifier:
    """A model of three columns, two of few values, that nobody bound to anything."""
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([rng.integers(0, 4, 60), rng.integers(0, 2, 60), rng.normal(size=60)]).astype(np.float32)
    labels = (matrix @ rng.normal(size=3) + rng.normal(size=60) > 0).astype(int)
    labels[:2] = 0, 1
    return GradientBoostingClassifier(n_estimators=3, max_depth=depth, random_state=seed).fit(matrix, labels)


def tried(model: GradientBoostingClassifier, column: int, direction: Direction) -> set[int]:
    """The trees that turn a direction round, by trying a value from every interval of every column."""
    found = set()
    for number, (tree,) in enumerate(model.estimators_):
        cuts = [np.sort(tree.tree_.threshold[tree.tree_.feature == c]) for c in range(3)]
        edges = [[*(c[:1] - 2), *c, *(c[-1:] + 2)] for c in cuts]
        points = [[(low + high) / 2 for low, high in pairwise(ends)] or [0.0] for ends in edges]
        others = [points[c] for c in range(3) if c != column]
        for rest in product(*others):
            rows = [np.insert(np.array(rest, dtype=float), column, value) for value in points[column]]
            values = tree.tree_.predict(np.array(rows, dtype=np.float32)).ravel()
            steps = np.diff(values) * (1 if direction == "rises" else -1)
            if (steps < -ROUNDING).any():
                found.add(number)
    return found


class TestReversals:
    @settings(max_examples=60)
    @given(st.integers(1, 3), st.integers(0, 10**6))
    def test_are_what_trying_every_interval_finds(self, depth: int, seed: int) -> None:
        """Tree by tree and column by column: those that turn a direction round, and no others."""
        model = free(depth, seed)
        for column, direction in product(range(3), ("rises", "falls")):
            asked: list[Direction | None] = [None, None, None]
            asked[column] = direction  # type: ignore[call-overload]
            found = {r.tree for r in reversals(Ensemble(trees_of(model)), asked) if r.by > ROUNDING}
            assert tried(model, column, direction) == found  # type: ignore[arg-type]

    def test_by_how_much(self) -> None:
        """A stump on the first column: told with its tree, its column and the distance of its leaves."""
        model = free(1, 3)
        first = next(i for i, (tree,) in enumerate(model.estimators_) if tree.tree_.feature[0] == 0)
        value = model.learning_rate * model.estimators_[first, 0].tree_.value[1:, 0, 0]
        against: Direction = "falls" if value[1] > value[0] else "rises"
        found = next(r for r in reversals(Ensemble(trees_of(model)), [against, None, None]) if r.tree == first)
        assert (found.column, pytest.approx(abs(value[1] - value[0]))) == (0, found.by)


class TestShipped:
    def test_keeps_every_direction(self) -> None:
        """The manifest says which, and nothing in the trees speaks against any of them."""
        artifact = read_artifact(MODEL_FOLDER)
        ensemble = Scorer(artifact).leaves.ensemble
        assert not list(reversals(ensemble, [f.direction for f in artifact.contract.features]))
        assert artifact.contract.directions == artifact.manifest.directions
        assert len(artifact.manifest.directions) == 7
        assert ["person_emp_length"] == artifact.manifest.missing_is_worst


class TestRefusal:
    def test_one_leaf_changed(self, tmp_path: Path) -> None:
        """A model with a leaf that stands the wrong way round is refused, and the column and the tree are named."""
        folder = small_model(tmp_path / "model")
        model = load_estimator(read_artifact(folder))
        tree = model.estimators_[2, 0].tree_
        column = tree.feature[0]
        direction = read_artifact(folder).contract.features[column].direction
        leaf = int(tree.children_left[0] if direction == "rises" else tree.children_right[0])
        while tree.children_left[leaf] >= 0:
            leaf = int(tree.children_left[leaf])
        tree.value[leaf] += 5.0
        replace_both(folder, model)

        with pytest.raises(IncoherentArtifactError, match=r"breaks its contract: .* but tree 2 turns that round"):
            Scorer(read_artifact(folder))

    @pytest.mark.parametrize("key", ["directions", "missing_is_worst"])
    def test_a_manifest_that_says_otherwise(self, tmp_path: Path, key: str) -> None:
        """What the manifest claims is what the contract asks for."""
        folder = small_model(tmp_path / "model")
        edit_signed(folder, MANIFEST, lambda manifest: manifest[key].clear())
        with pytest.raises(IncoherentArtifactError, match=r"states other directions than contract\.json"):
            read_artifact(folder)
