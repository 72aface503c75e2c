"""Attributions are the Shapley values they claim to be: against brute force, against shap, and by the axioms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.contract import Contract
from preprocessing.features import FeatureSchema
from scoring.artifact import read_artifact
from scoring.attribution import (
    Attributor,
    LeafIndex,
    Tables,
    _columns,
    _shapley_weights,
    _state_by_byte,
    splits_of_subtrees,
)
from scoring.estimator import load_estimator, trees_of
from scoring.scorer import Scorer
from tests.applications import CONTRACT, parse_application, portfolio, scoring_only

TOLERANCE = 1e-9
ONE_FEATURE_A_FIELD = scoring_only(
    "person_income", "loan_grade", "loan_amnt", "loan_percent_income", "cb_person_default_on_file"
)


def features(schema: FeatureSchema, n: int, seed: int) -> NDArray[np.float32]:
    return schema.matrix([parse_application(document) for document in portfolio(n, seed)])


def small_model(
    contract: Contract, seed: int, depth: int = 3, trees: int = 12
) -> tuple[FeatureSchema, GradientBoostingClassifier]:
    schema = FeatureSchema(contract, dict.fromkeys(contract.imputed, 4.0))
    matrix = features(schema, 600, seed)
    rng = np.random.default_rng(seed)
    scaled = (matrix - matrix.mean(0)) / (matrix.std(0) + 1e-9)
    labels = (scaled @ rng.normal(size=matrix.shape[1]) + rng.normal(size=len(matrix)) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, subsample=0.8, random_state=seed)
    return schema, model.fit(matrix, labels)


def brute_force(
    model: GradientBoostingClassifier, schema: FeatureSchema, row: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Shapley's formula over all coalitions of fields, every coalition's worth by the model's own predictions."""
    fields = schema.fields
    n = len(fields)
    mixed = []
    for coalition in range(1 << n):
        block = reference.copy()
        for i, field in enumerate(fields):
            if coalition >> i & 1:
                block[:, schema.columns(field)] = row[schema.columns(field)]
        mixed.append(block)
    worth = model.decision_function(np.concatenate(mixed)).reshape(1 << n, len(reference)).mean(axis=1)
    values = np.zeros(n)
    for i in range(n):
        for coalition in range(1 << n):
            if not coalition >> i & 1:
                size = coalition.bit_count()
                weight = factorial(size) * factorial(n - size - 1) / factorial(n)
                values[i] += weight * (worth[coalition | 1 << i] - worth[coalition])
    return values


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(read_artifact(Path("artifacts/model")))


class TestExactness:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
    def test_small_models_agree_with_brute_force(self, seed: int, depth: int) -> None:
        schema, model = small_model(CONTRACT, seed, depth)
        reference = features(schema, 64, seed + 100)
        index = LeafIndex(trees_of(model), schema)
        attributor = Attributor(index, index.build_tables(reference))
        for row in features(schema, 3, seed + 200):
            expected = brute_force(model, schema, row, reference)
            assert np.abs(expected - attributor.attribute(row[None])[0]).max() < TOLERANCE

    def test_the_real_model_agrees_with_brute_force(
        self, scorer: Scorer, record_property: Callable[[str, object], None]
    ) -> None:
        estimator = load_estimator(read_artifact(Path("artifacts/model")))
        reference = features(scorer.schema, 64, 1)
        index = scorer.leaves
        attributor = Attributor(index, index.build_tables(reference))
        worst = 0.0
        for row in features(scorer.schema, 4, 2):
            expected = brute_force(estimator, scorer.schema, row, reference)
            worst = max(worst, float(np.abs(expected - attributor.attribute(row[None])[0]).max()))
        record_property("worst_deviation", worst)
        assert worst < TOLERANCE

    def test_shap_agrees_where_every_field_is_one_feature(self, record_property: Callable[[str, object], None]) -> None:
        shap = pytest.importorskip("shap")
        schema, model = small_model(ONE_FEATURE_A_FIELD, 5, depth=4, trees=40)
        reference = features(schema, 100, 6)  # shap cuts a larger background to 100 rows, silently
        rows = features(schema, 50, 7)
        oracle = shap.TreeExplainer(model, data=reference, feature_perturbation="interventional")
        index = LeafIndex(trees_of(model), schema)
        ours = Attributor(index, index.build_tables(reference)).attribute(rows)
        difference = float(np.abs(oracle.shap_values(rows, check_additivity=False) - ours).max())
        record_property("difference_from_shap", difference)
        assert difference < 1e-5  # shap sums in float32; brute force settles who is nearer
        row = rows[0]
        assert np.abs(brute_force(model, schema, row, reference) - ours[0]).max() < TOLERANCE


class TestAxioms:
    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 10_000), st.integers(1, 40))
    def test_efficiency(self, seed: int, size: int) -> None:
        """Base value and attributions add up to the log-odds."""
        schema, model = small_model(CONTRACT, seed % 7)
        index = LeafIndex(trees_of(model), schema)
        attributor = Attributor(index, index.build_tables(features(schema, size, seed)))
        rows = features(schema, 20, seed + 1)
        total = attributor.base_value + attributor.attribute(rows).sum(axis=1)
        assert np.abs(total - model.decision_function(rows)).max() < TOLERANCE

    @settings(deadline=None, max_examples=15)
    @given(st.integers(0, 10_000))
    def test_dummy(self, seed: int) -> None:
        """A field whose value is that of every reference applicant gets nothing, nor one that no tree reads."""
        schema, model = small_model(CONTRACT, seed % 5)
        rows = features(schema, 2, seed)
        reference = features(schema, 30, seed + 1)
        same = schema.columns("loan_grade")
        reference[:, same] = rows[0, same]
        index = LeafIndex(trees_of(model), schema)
        attributions = Attributor(index, index.build_tables(reference)).attribute(rows[:1])[0]
        assert attributions[schema.fields.index("loan_grade")] == pytest.approx(0.0, abs=TOLERANCE)
        importances = model.feature_importances_
        unread = [field for field in schema.fields if not importances[schema.columns(field)].any()]
        assert all(attributions[schema.fields.index(field)] == 0.0 for field in unread)

    @pytest.mark.parametrize("d", range(1, 6))
    def test_symmetry(self, d: int) -> None:
        """In every leaf's game, two fields that applicant and reference meet alike get the same; sums are linear."""
        weights = _shapley_weights(d)
        for own, other, i, j in product(range(1 << d), range(1 << d), range(d), range(d)):
            if (own >> i ^ own >> j) & 1 == 0 == (other >> i ^ other >> j) & 1:
                assert weights[i, own, other] == weights[j, own, other]


class TestServing:
    def test_a_row_is_attributed_bit_for_bit_alone_and_in_any_batch(self, scorer: Scorer) -> None:
        index = scorer.leaves
        attributor = Attributor(index, index.build_tables(features(scorer.schema, 20, 3)))
        rows = features(scorer.schema, 30, 4)
        together = attributor.attribute(rows)
        assert all(np.array_equal(together[i], attributor.attribute(rows[i : i + 1])[0]) for i in range(len(rows)))
        assert np.array_equal(together[::-1], attributor.attribute(rows[::-1]))

    @pytest.mark.parametrize("depth", [1, 4, 6])
    def test_both_ways_to_hold_the_sums_are_equal(self, monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
        """With a place for every field, or for those that a subtree reads: bit for bit the same."""
        schema, model = small_model(CONTRACT, 3, depth)
        index = LeafIndex(trees_of(model), schema)
        tables, rows = index.build_tables(features(schema, 20, 3)), features(schema, 30, 4)
        dense = Attributor(index, tables).attribute(rows)
        monkeypatch.setattr("scoring.attribution.DENSE_FIELDS", 0)
        assert dense.tobytes() == Attributor(index, tables).attribute(rows).tobytes()

    @pytest.mark.parametrize(
        ("depth", "splits"),
        [
            (2, [[1, 2, 3]]),
            (3, [[1, 2, 4, 5], [1, 3, 6, 7]]),
            (4, [[1, 2, 4, 8, 9], [1, 2, 5, 10, 11], [1, 3, 6, 12, 13], [1, 3, 7, 14, 15]]),
        ],
    )
    def test_a_state_has_a_bit_for_each_split_that_settles_it(self, depth: int, splits: list[list[int]]) -> None:
        """No more: each would double the sums that are kept."""
        assert splits_of_subtrees(depth).tolist() == splits
        word = np.dtype(f"u{max(1, (1 << depth) // 8)}")
        assert _state_by_byte(splits_of_subtrees(depth), word).shape == (word.itemsize, 256, len(splits))

    @pytest.mark.parametrize("depth", [1, 4])
    def test_no_place_is_kept_for_fields_that_nothing_reads(self, depth: int) -> None:
        """The tables are as wide as the most fields of a leaf, the sums as those of a subtree."""
        schema, model = small_model(CONTRACT, 3, depth)
        index = LeafIndex(trees_of(model), schema)
        none = len(schema.fields)
        assert index.shape[1] == (index.leaf_fields < none).sum(axis=1).max()
        columns, fields = _columns(index, len(index.ensemble.value) * len(splits_of_subtrees(index.ensemble.depth)))
        assert columns.max() + 1 == fields.shape[1] == (fields < none).sum(axis=1).max()

    def test_no_rows_give_no_attributions(self, scorer: Scorer) -> None:
        index = scorer.leaves
        attributor = Attributor(index, index.build_tables(features(scorer.schema, 2, 3)))
        assert attributor.attribute(features(scorer.schema, 1, 1)[:0]).shape == (0, len(scorer.schema.fields))


class TestTables:
    def test_they_survive_the_file_and_the_same_tables_give_the_same_bytes(self) -> None:
        schema, model = small_model(CONTRACT, 1)
        index = LeafIndex(trees_of(model), schema)
        tables = index.build_tables(features(schema, 5, 1))
        content = tables.to_bytes()
        read = Tables.from_bytes(content)
        assert (tables.base_value, content) == (read.base_value, read.to_bytes())
        assert np.array_equal(tables.values, read.values)

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
    def test_other_files_are_refused(self, content: bytes) -> None:
        with pytest.raises(ValueError, match="tables"):
            Tables.from_bytes(content)

    def test_tables_of_another_model_are_refused(self) -> None:
        schema, model = small_model(CONTRACT, 1)
        _, other = small_model(CONTRACT, 1, depth=2)
        tables = LeafIndex(trees_of(other), schema).build_tables(features(schema, 5, 1))
        with pytest.raises(ValueError, match="rebuild them"):
            Attributor(LeafIndex(trees_of(model), schema), tables)
