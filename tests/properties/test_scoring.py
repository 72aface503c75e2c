"""Features, PDs, attributions and bins of drawn contracts, each against the plainest way to work it out."""

from __future__ import annotations

import random
from collections import Counter
from unittest import mock

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.features import FeatureSchema, compile_marks, compile_row
from preprocessing.fields import PD, Feature, Ratio
from scoring import boosting
from scoring.attribution import Attributor, LeafIndex
from scoring.directions import reversals
from scoring.estimator import trees_of
from scoring.ranges import KnownRanges
from tests.books import documents
from tests.contracts import CURVED, Small, applications, contracts, refusal, spoilt
from tests.scoring.test_attribution import TOLERANCE, brute_force
from tests.telemetry import labels
from training.distribution import training_distribution

DEPTHS = st.integers(1, 6)
SEEDS = st.integers(0, 10**6)


def standing(contract: Contract, field: str) -> dict[str, str]:
    """Which of a field's states stand best or worst."""
    return dict(getattr(contract.by_name[field], "standing", {}))


def rank(contract: Contract, field: str, value: object) -> float | None:
    """Where a value stands among those that a direction speaks of; None for what has a risk of its own."""
    choices = contract.by_name[field].choices
    if value is None or value in contract.by_name[field].states:
        return None
    if contract.by_name[field].type == "flag":
        return float(value == choices[0])
    return float(choices.index(value)) if isinstance(value, str) else float(value)  # type: ignore[arg-type]


KINDS = {
    "missing", "extra_forbidden", "model_type", "float_type", "int_type", "finite_number", "greater_than_equal",
    "less_than_equal", "literal_error", "string_type", "string_too_short", "string_too_long", "string_pattern_mismatch",
    "date", "out_of_range", "implausible", "ratio_mismatch",
}  # fmt: skip
"""All that can be wrong with a field, whatever the contract."""


def one_by_one(feature: Feature, application: Application, schema: FeatureSchema) -> float:
    """A feature as its definition says it."""
    value = application[feature.field]
    if feature.kind == "flag":
        return float(value in feature.values)
    if value in feature.stand_ins:
        return feature.stand_ins[value]
    if value is not None and feature.ranks is not None:
        return feature.ranks[value]
    return schema.cleaning[feature.field] if value is None or isinstance(value, str) else float(value)


class TestFeatures:
    @settings(max_examples=60)
    @given(contracts(scored=20), SEEDS)
    def test_the_row_is_what_the_features_say(self, contract: Contract, seed: int) -> None:
        """Compiled, feature by feature, alone and as a matrix: one and the same."""
        read = applications(contract, 15, seed)
        schema = FeatureSchema(contract, {name: -3.5 - i for i, name in enumerate(contract.imputed)})

        expected = [[one_by_one(feature, a, schema) for feature in contract.features] for a in read]

        assert expected == [compile_row(contract.features, schema.cleaning)(a) for a in read]
        assert np.array_equal(np.array(expected, dtype=np.float32), schema.matrix(read))
        assert np.array_equal(np.concatenate([schema.matrix([a]) for a in read]), schema.matrix(read))
        assert np.array_equal(compile_marks(contract.features, schema.cleaning).matrix(read), schema.matrix(read))
        assert np.isfinite(schema.matrix(read)).all()

    @settings(max_examples=60)
    @given(contracts(scored=20))
    def test_every_feature_is_of_one_field(self, contract: Contract) -> None:
        """Each has a name of its own, and each scored field's states and categories one flag each."""
        assert len({feature.name for feature in contract.features}) == len(contract.features)
        for field in contract.fields:
            flags = Counter(
                v for f in contract.features if f.field == field.name and f.kind == "flag" for v in f.values
            )
            states = {*field.states, *getattr(field, "categories", ())}
            assert set(flags) <= {*field.states, *field.choices, None}
            assert set(flags.values()) <= {1}
            numbers = [f for f in contract.features if f.field == field.name and f.kind == "number"]
            stood_in = {value for feature in numbers for value in feature.stand_ins}
            if field.scored and field.type != "ordered":
                assert states <= flags.keys() | stood_in
            # What is worst lies beyond the worst end of a number, and is what no flag of a category says.
            own = field.scored and contract.may_lack(field) and not field.missing_is_worst
            assert (None in flags) == (own or (field.type == "flag" and None in flags and field.direction == "rises"))
            assert (None in stood_in) == (bool(numbers) and contract.may_lack(field) and field.missing_is_worst)


class TestPDs:
    @settings(max_examples=20)
    @given(contracts(), DEPTHS, SEEDS)
    def test_depend_on_no_other_row(self, contract: Contract, depth: int, seed: int) -> None:
        """Alone, in batches of any size, in any order: scikit-learn's own, bit for bit."""
        small = Small(contract, applications(contract, 150, seed), depth, seed)
        margin = small.model.decision_function(small.matrix)
        expected = expit(CURVED.apply(margin))

        scores = small.scorer.score(small.applications)
        order = np.random.default_rng(seed).permutation(len(expected))
        cuts = sorted(random.Random(seed).sample(range(1, len(expected)), 5))

        assert np.array_equal(expected, scores.pd)
        assert np.array_equal(margin, scores.margin)
        assert np.array_equal(expected[order], small.scorer.score([small.applications[i] for i in order]).pd)
        assert np.array_equal(expected, np.concatenate([small.scorer.score([a]).pd for a in small.applications]))
        batches = np.split(np.arange(len(expected)), cuts)
        parts = [small.scorer.score([small.applications[i] for i in batch]).pd for batch in batches]
        assert np.array_equal(expected, np.concatenate(parts))

    @settings(max_examples=20)
    @given(contracts(), DEPTHS, SEEDS)
    def test_of_many_features_are_the_same(self, contract: Contract, depth: int, seed: int) -> None:
        """Turns are compared where features are too many for tables: the same turns, for rows anywhere."""
        small = Small(contract, applications(contract, 150, seed), depth, seed)
        ensemble = small.scorer.leaves.ensemble
        with mock.patch.object(boosting, "MOST_IN_TABLES", -1):
            compared = boosting.Ensemble(trees_of(small.model))
        edges = np.repeat(small.model.estimators_[0, 0].tree_.threshold.astype(np.float32), small.matrix.shape[1])
        edges = edges.reshape(-1, small.matrix.shape[1])
        near = np.concatenate([small.matrix, edges, np.nextafter(edges, np.float32(np.inf)), -np.zeros_like(edges)])

        assert type(compared._tables) is not type(ensemble._tables)
        assert np.array_equal(ensemble.turns(near), compared.turns(near))
        assert np.array_equal(ensemble.turns(near[:1]), compared.turns(near[:1]))
        assert ensemble.turns(near[:0]).shape == compared.turns(near[:0]).shape


class TestDirections:
    @settings(max_examples=40)
    @given(contracts(), DEPTHS, SEEDS)
    def test_no_improvement_is_ever_punished(self, contract: Contract, depth: int, seed: int) -> None:
        """Over whole applicants, a ratio going along: a better value never has a higher PD, a missing one no lower."""
        small = Small(contract, applications(contract, 150, seed), depth, seed)
        assert not list(reversals(small.scorer.leaves.ensemble, [f.direction for f in contract.features]))
        others = applications(contract, 20, seed + 1)
        for application in small.applications[:10]:
            for field, direction in contract.directions.items():
                if isinstance(contract.by_name[field], Ratio):
                    continue  # goes along with its operands
                ranked = sorted(
                    ({field: other[field]} for other in others if rank(contract, field, other[field]) is not None),
                    key=lambda change: rank(contract, field, change[field]) or 0,
                    reverse=direction == "falls",
                )
                ends = [{field: state} for state, end in standing(contract, field).items() if end == "best"]
                worst = [{field: state} for state, end in standing(contract, field).items() if end == "worst"]
                worst += [{field: None}] if field in contract.missing_is_worst else []
                pds = small.scorer.score(
                    [contract.with_values(application, c) for c in (*ends[:1], *ranked, *worst[:1])]
                ).pd
                assert (np.diff(pds) >= 0).all()

    @settings(max_examples=20)
    @given(contracts(), DEPTHS, SEEDS)
    def test_an_unstated_category_is_worst(self, contract: Contract, depth: int, seed: int) -> None:
        """No category has a higher PD than saying nothing, unless nothing has a risk of its own."""
        small = Small(contract, applications(contract, 150, seed), depth, seed)
        for field in contract.fields:
            if field.type == "category" and field.name in contract.missing_is_worst:
                for application in small.applications[:10]:
                    values = [None, *field.choices]
                    nothing, *stated = small.scorer.score(
                        [contract.with_values(application, {field.name: value}) for value in values]
                    ).pd
                    assert nothing >= max(stated)


class TestAttributions:
    @settings(max_examples=20)
    @given(contracts(scored=6), DEPTHS, SEEDS)
    def test_are_shapley_values(self, contract: Contract, depth: int, seed: int) -> None:
        """Over all coalitions of fields; with the base value they add up to the logit of the PD."""
        small = Small(contract, applications(contract, 120, seed), depth, seed)
        reference, rows = small.matrix[:7], small.matrix[50:53]
        index = LeafIndex(trees_of(small.model), small.schema)
        tables = index.build_tables(reference)
        attributor = Attributor(index, tables)

        found = attributor.attribute(rows)

        for row, attributions in zip(rows, found, strict=True):
            assert np.abs(brute_force(small.model, small.schema, row, reference) - attributions).max() < TOLERANCE
        pds = small.model.predict_proba(rows)[:, 1]
        assert np.abs(attributor.base_value + found.sum(axis=1) - logit(pds)).max() < TOLERANCE
        assert np.array_equal(found, np.concatenate([attributor.attribute(row[None]) for row in rows]))
        curved = Attributor(index, tables, CURVED)
        calibrated = curved.attribute(rows)
        log_odds = CURVED.apply(small.model.decision_function(rows))
        assert np.abs(curved.base_value + calibrated.sum(axis=1) - log_odds).max() < TOLERANCE
        assert np.array_equal(np.sign(calibrated), np.sign(found))


class TestBins:
    @settings(max_examples=40)
    @given(contracts(scored=20), SEEDS)
    def test_hold_every_value(self, contract: Contract, seed: int) -> None:
        """Of whatever is valid there is a bin, missing values apart; what training saw in them adds up to 1."""
        trained = applications(contract, 60, seed)
        # Training refuses a field of too few numbers.
        assume(all(any(isinstance(a[name], int | float) for a in trained)
                   for name in contract.imputed if contract.by_name[name].type != "ordered"))  # fmt: skip
        distribution = training_distribution(contract, trained, np.linspace(0.01, 0.9, len(trained)))

        assert [bins.field for bins in distribution.bins] == [*contract.scored, PD]
        for bins in distribution.bins:
            assert abs(sum(bins.expected) - 1) < 1e-9
            assert len(bins.labels) == len(bins.expected) == len(set(bins.labels))
        for application in applications(contract, 60, seed + 1):
            for bins in distribution.bins[:-1]:
                value = application[bins.field]
                place = bins.place(value)
                assert place == len(bins.labels) if value is None else 0 <= place < len(bins.labels)
                if isinstance(value, str) and value in bins.labels:
                    assert bins.labels[place] == value
        known = KnownRanges(contract, distribution)
        for application in (*trained, *applications(contract, 60, seed + 1)):
            outside = known.outside(application)
            assert [name for name in contract.by_name if name in outside.fields] == [*outside.fields]
            assert {*outside.worse} <= {*outside.fields}
        # Of so few, no thousandth is left out.
        assert not any(known.outside(application).fields for application in trained)
        for pd in (0.0, 0.5, 1.0):
            assert 0 <= distribution.bins[-1].place(pd) < len(distribution.bins[-1].labels)

    @settings(max_examples=40)
    @given(contracts(), SEEDS)
    def test_labels_of_errors_are_bounded(self, contract: Contract, seed: int) -> None:
        """A metric's labels are the contract's fields, two words, and kinds that can be listed."""
        rng = random.Random(seed)
        for sound in documents(contract, 10, seed):
            for document in (
                spoilt(spoilt(sound, contract, rng), contract, rng),
                [],
                None,
                {"x" * i: 1 for i in range(40)},
            ):
                errors = [error.at(3) for error in refusal(contract, document)]
                for field, kind in labels(contract, errors):
                    assert field in contract.by_name.keys() | {"unknown", "document"}
                    assert kind in KINDS
