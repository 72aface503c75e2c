from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from preprocessing.application import Application
from preprocessing.features import FeatureSchema, SchemaFile, compile_marks, compile_row
from preprocessing.fields import Feature
from tests.applications import (
    CATEGORIES,
    CONTRACT,
    EXAMPLE,
    FIELDS,
    Document,
    examples,
    numbers,
    parse_application,
    portfolio,
    valid_applications,
)

CLEANING = {"loan_int_rate": 10.99}
ARTIFACT_SCHEMA = Path(__file__).parents[2] / "artifacts" / "model" / "feature_schema.json"
UNSCORED = {"person_age", "cb_person_cred_hist_length"}

# What another field may change: the exact ratio is made of two others.
MADE_OF = {"loan_percent_income": {"loan_amnt", "person_income"}}

EVERY = FeatureSchema(CONTRACT, CLEANING)


def application(**changes: object) -> Application:
    return parse_application(EXAMPLE | changes)


def row(**changes: object) -> dict[str, float]:
    return dict(zip(EVERY.features, EVERY.row(application(**changes)), strict=True))


class TestSchema:
    def test_the_artifact_is_the_contract_s(self) -> None:
        """The shipped file lists the features that the contract makes, and leaves out age and credit history."""
        shipped = SchemaFile.model_validate_json(ARTIFACT_SCHEMA.read_bytes())
        assert (EVERY.features, EVERY.cleaning) == (shipped.features, shipped.cleaning)
        assert set(FIELDS) - UNSCORED == set(EVERY.fields)

    @pytest.mark.parametrize("cleaning", [{}, {"person_emp_length": 4.0}, CLEANING | {"person_income": 1.0}])
    def test_constants_are_exactly_these(self, cleaning: dict[str, float]) -> None:
        """A constant that is missing, or that no code uses, is an error that names it."""
        with pytest.raises(ValueError, match=r"loan_int_rate|person_income"):
            FeatureSchema(CONTRACT, cleaning)

    @pytest.mark.parametrize(
        "changes",
        [{"extra": 1}, {"features": "loan_amnt"}, {"cleaning": {"loan_int_rate": math.nan}}, {"format": 1}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_strict(self, changes: dict[str, Any]) -> None:
        """Unknown keys, wrong types and constants that are no finite number are errors."""
        with pytest.raises(ValidationError):
            SchemaFile.model_validate(EVERY.file.model_dump() | changes)

    def test_columns(self) -> None:
        """The fields share the columns out among them without remainder, and a field without features has none."""
        shared_out = sorted(column for field in EVERY.fields for column in EVERY.columns(field))
        assert list(range(len(EVERY.features))) == shared_out
        assert EVERY.columns("person_age") == []


class TestLearned:
    @pytest.mark.parametrize("field", CLEANING)
    def test_median_of_what_is_present(self, field: str) -> None:
        """The median is taken over the values that are there; with an even number of them it lies between two."""
        others = dict.fromkeys(CLEANING, 1)
        rows = [application(**others | {field: value}) for value in (9, None, 3, 1, None, 4.5)]
        assert FeatureSchema.learned(CONTRACT, rows).cleaning[field] == 3.75

    @examples(50)
    @given(st.lists(numbers("loan_int_rate"), min_size=1, max_size=9), st.randoms())
    def test_order_makes_no_difference(self, rates: list[float], rng: Random) -> None:
        """The same applications in any order teach the same constants, as floats."""
        shuffled = rng.sample(rates, len(rates))
        learnt = [
            FeatureSchema.learned(CONTRACT, [application(loan_int_rate=rate) for rate in order]).cleaning
            for order in (rates, shuffled)
        ]
        assert learnt[0] == learnt[1]
        assert (statistics.median(rates), float) == (learnt[0]["loan_int_rate"], type(learnt[0]["loan_int_rate"]))

    def test_nothing_to_learn_from(self) -> None:
        """Without a single value there is no median, and no constant is made up."""
        with pytest.raises(ValueError, match="loan_int_rate has no number in any row"):
            FeatureSchema.learned(CONTRACT, [application(loan_int_rate=None)])


class TestRow:
    def test_example(self) -> None:
        """One application, feature by feature."""
        made = row()
        ones = {name for name, value in made.items() if value == 1 and name not in EXAMPLE}
        assert {"loan_grade_rank", "person_home_ownership_MORTGAGE", "loan_intent_HOMEIMPROVEMENT"} == ones
        assert [made[name] for name in ("person_income", "person_emp_length", "loan_amnt", "loan_int_rate")] == [
            62000,
            6,
            18000,
            10.6,
        ]
        assert (made["loan_percent_income"], made["cb_person_default_on_file"]) == (18000 / 62000, 0)

    def test_missing(self) -> None:
        """A missing rate is the schema's constant, and flagged; a rate that equals the constant is not missing."""
        missing, present = row(loan_int_rate=None), row(loan_int_rate=10.99)
        assert present | {"loan_int_rate_missing": 1} == missing
        assert present["loan_int_rate_missing"] == 0

    def test_worst(self) -> None:
        """An employment that is not stated lies below the shortest, and has no flag."""
        assert row(person_emp_length=None)["person_emp_length"] == -81
        assert not any(name.startswith("person_emp_length_") for name in row())

    def test_grades_are_ranked(self) -> None:
        """A is the best and has rank 0."""
        assert [row(loan_grade=grade)["loan_grade_rank"] for grade in "ABCDEFG"] == list(range(7))

    def test_prior_default(self) -> None:
        """Y is 1 and N is 0."""
        assert [row(cb_person_default_on_file=answer)["cb_person_default_on_file"] for answer in "YN"] == [1, 0]

    @pytest.mark.parametrize("field", ["person_home_ownership", "loan_intent"])
    def test_one_hot(self, field: str) -> None:
        """Of a category's members exactly the applicant's own is 1."""
        words = CATEGORIES[field]
        rows = [[row(**{field: word})[f"{field}_{member}"] for member in words] for word in words]
        assert np.array_equal(np.eye(len(rows)), rows)

    @examples(300)
    @given(valid_applications(), valid_applications(), st.sampled_from(FIELDS))
    def test_each_feature_is_made_of_one_field(self, document: Document, other: Document, field: str) -> None:
        """Changing one field changes no feature of another; the exact ratio alone is made of amount and income."""
        document = document | {"loan_percent_income": None}
        changed = document | ({field: other[field]} if field in other and field != "loan_percent_income" else {})
        rows = [EVERY.row(parse_application(d)) for d in (document, changed)]
        differing = {
            feature.field for feature, before, after in zip(CONTRACT.features, *rows, strict=True) if before != after
        }
        assert differing <= {field} | {name for name, parts in MADE_OF.items() if field in parts}

    @pytest.mark.parametrize("field", sorted(set(FIELDS) - UNSCORED - {"loan_percent_income"}))
    def test_each_scored_field_counts(self, field: str) -> None:
        """Every scored field does change a feature of its own."""
        others = {word: words[-1] for word, words in CATEGORIES.items()} | {"cb_person_default_on_file": "Y"}
        changed = row(**{field: others.get(field, 11), "loan_percent_income": None})
        assert any(row()[EVERY.features[column]] != changed[EVERY.features[column]] for column in EVERY.columns(field))

    @examples(100)
    @given(valid_applications(), st.integers(0, 120), st.integers(0, 100))
    def test_what_is_not_scored_changes_nothing(self, document: Document, age: int, history: int) -> None:
        """Any age, any length of credit history, any stated ratio and any reference: the row is the same."""
        other = document | {"person_age": age, "cb_person_cred_hist_length": history, "reference": f"{age}"}
        assert EVERY.row(parse_application(document)) == EVERY.row(
            parse_application(other | {"loan_percent_income": None})
        )


class TestTextsAreNoCode:
    @pytest.mark.parametrize("kind", ["value", "imputed", "ranked", "flag"])
    @pytest.mark.parametrize("name", ["x'] or 1/0 or a['", "x\\", 'x"\n', "{x}", "1/0", "\u202e", "lambda"])
    def test_in_no_name(self, name: str, kind: str) -> None:
        """The contract's reader refuses such names; the compiled code would be safe without it."""
        ranks = {"b": 7.0} if kind == "ranked" else None
        of_kind = "flag" if kind == "flag" else "number"
        feature = Feature(name, name, of_kind, frozenset({"b"}), ranks, imputed=kind == "imputed")
        made = compile_row([feature], {name: 5.0} if kind == "imputed" else {})

        assert made({name: "b"}) == [{"value": "b", "imputed": 5.0, "ranked": 7.0, "flag": 1.0}[kind]]


class TestMatrix:
    @examples(60)
    @given(st.lists(valid_applications(), min_size=1, max_size=6), st.data())
    def test_neighbours_change_nothing(self, documents: list[Document], data: st.DataObject) -> None:
        """A row is the same alone, in every batch and in every order, bit for bit."""
        applications = [parse_application(document) for document in documents]
        order = data.draw(st.lists(st.sampled_from(range(len(applications))), min_size=1, max_size=12))
        alone = [np.array(EVERY.row(application), dtype=np.float32).tobytes() for application in applications]
        together = EVERY.matrix([applications[i] for i in order])
        assert [alone[i] for i in order] == [one.tobytes() for one in together]

    def test_a_portfolio_in_batches(self) -> None:
        """A portfolio is the same in one batch, in batches of seven, and shuffled."""
        applications = [parse_application(document) for document in portfolio(500, seed=5)]
        whole = EVERY.matrix(applications)
        sevens = np.concatenate([EVERY.matrix(applications[i : i + 7]) for i in range(0, 500, 7)])
        order = Random(5).sample(range(500), 500)
        assert whole.tobytes() == sevens.tobytes()
        assert whole[order].tobytes() == EVERY.matrix([applications[i] for i in order]).tobytes()

    def test_type(self) -> None:
        """float32 in C order, which is what the trees compare; an empty batch too."""
        for n in (0, 1, 3):
            matrix = EVERY.matrix([parse_application(EXAMPLE)] * n)
            expected = (np.float32, True, (n, len(EVERY.features)))
            assert expected == (matrix.dtype, matrix.flags.c_contiguous, matrix.shape)

    @examples(200)
    @given(valid_applications())
    def test_finite(self, document: Document) -> None:
        """No application within the contract leaves the range of float32."""
        assert np.isfinite(EVERY.matrix([parse_application(json.loads(json.dumps(document)))])).all()


@pytest.mark.parametrize("n", [0, 1, 30])
def test_of_many_features_the_matrix_is_the_same(n: int) -> None:
    """Filled by where the ones are, as it is beyond some number of features."""
    rows = [parse_application(document) for document in portfolio(n, seed=7)]
    marks = compile_marks(CONTRACT.features, CLEANING)
    assert np.array_equal(EVERY.matrix(rows), marks.matrix(rows))
    assert (n, len(EVERY.features)) == marks.matrix(rows).shape
