from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from preprocessing.application import EXAMPLE, FIELDS, parse_application
from preprocessing.features import FEATURES, SCHEMA_VERSION, FeatureSchema
from tests.applications import CATEGORIES, Document, examples, portfolio, valid_applications

CLEANING = {"person_emp_length": 4.0, "loan_int_rate": 10.99}
ARTIFACT_SCHEMA = Path(__file__).parents[2] / "artifacts" / "model" / "feature_schema.json"
UNSCORED = {"person_age", "cb_person_cred_hist_length"}

# What another field may change: the exact ratio is made of two others.
MADE_OF = {"loan_percent_income": {"loan_amnt", "person_income"}}


def schema(*features: str, **changes: Any) -> FeatureSchema:
    document = {"schema_version": SCHEMA_VERSION, "features": list(features), "cleaning": CLEANING}
    return FeatureSchema.model_validate(document | changes)


EVERY = schema(*FEATURES)


class TestSchema:
    def test_unknown_feature(self) -> None:
        """A feature that no code produces is an error that names it, never a silent zero."""
        with pytest.raises(ValidationError, match="the code does not produce person_shoe_size, loan_colour"):
            schema("loan_amnt", "person_shoe_size", "person_income", "loan_colour")

    @pytest.mark.parametrize("name", ["person_age", "cb_person_cred_hist_length"])
    def test_unscored_fields_are_no_features(self, name: str) -> None:
        """Age and the length of credit history can't be asked for."""
        with pytest.raises(ValidationError, match=name):
            schema("loan_amnt", name)

    def test_repeated_feature(self) -> None:
        """A feature that is listed twice is an error."""
        with pytest.raises(ValidationError, match="a feature is listed twice"):
            schema("loan_amnt", "person_income", "loan_amnt")

    def test_no_features(self) -> None:
        """A schema without features is an error."""
        with pytest.raises(ValidationError, match="no features are listed"):
            schema()

    def test_other_version(self) -> None:
        """A file written for other code is an error that states both versions."""
        with pytest.raises(ValidationError, match=f"schema_version is 2; this code reads {SCHEMA_VERSION}"):
            schema("loan_amnt", schema_version=2)

    @pytest.mark.parametrize(
        "changes",
        [{"extra": 1}, {"features": "loan_amnt"}, {"features": [1]}, {"cleaning": {}}, {"schema_version": "1"}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_strict(self, changes: dict[str, Any]) -> None:
        """Unknown keys and wrong types are errors."""
        with pytest.raises(ValidationError):
            schema("loan_amnt", **changes)

    def test_round_trip(self) -> None:
        """A schema read back from its own JSON computes the same."""
        again = FeatureSchema.model_validate_json(EVERY.model_dump_json())
        application = parse_application(EXAMPLE)
        assert again == EVERY
        assert EVERY.row(application) == again.row(application)

    def test_fields(self) -> None:
        """The scored fields are listed once each, in the order of their first feature."""
        some = schema(
            "loan_intent_MEDICAL", "loan_int_rate_missing", "loan_amnt", "loan_int_rate", "loan_intent_VENTURE"
        )
        assert some.fields == ("loan_intent", "loan_int_rate", "loan_amnt")

    def test_columns(self) -> None:
        """A field's columns are where its features stand."""
        some = schema(
            "loan_intent_MEDICAL", "loan_int_rate_missing", "loan_amnt", "loan_int_rate", "loan_intent_VENTURE"
        )
        assert [some.columns(field) for field in ("loan_intent", "loan_int_rate", "loan_amnt", "loan_grade")] == [
            [0, 4],
            [1, 3],
            [2],
            [],
        ]

    def test_every_column_belongs_to_one_field(self) -> None:
        """The fields share the columns out among them without remainder."""
        shared_out = sorted(column for field in EVERY.fields for column in EVERY.columns(field))
        assert list(range(len(FEATURES))) == shared_out

    def test_all_features_cover_the_scored_fields(self) -> None:
        """Nine fields are scored: all but age and the length of credit history."""
        assert set(FIELDS) - UNSCORED == set(EVERY.fields)

    def test_the_artifact_reads_nothing_unscored(self) -> None:
        """The schema that is shipped leaves age and the length of credit history out."""
        shipped = FeatureSchema.model_validate_json(ARTIFACT_SCHEMA.read_bytes())
        assert not UNSCORED & set(shipped.fields)


class TestRow:
    def test_example(self) -> None:
        """One application, feature by feature."""
        row = dict(zip(FEATURES, EVERY.row(parse_application(EXAMPLE)), strict=True))
        ones = {name for name, value in row.items() if value == 1 and name not in EXAMPLE}
        assert {"loan_grade_rank", "person_home_ownership_MORTGAGE", "loan_intent_HOMEIMPROVEMENT"} == ones
        assert (
            row["person_income"],
            row["person_emp_length"],
            row["loan_amnt"],
            row["loan_int_rate"],
            row["loan_percent_income"],
            row["cb_person_default_on_file"],
        ) == (62000, 6, 9000, 10.6, 9000 / 62000, 0)

    def test_missing(self) -> None:
        """Missing values are the schema's constants, and flagged."""
        application = parse_application(EXAMPLE | {"person_emp_length": None, "loan_int_rate": None})
        some = schema("loan_int_rate_missing", "loan_int_rate", "person_emp_length", "person_emp_length_missing")
        assert some.row(application) == [True, 10.99, 4.0, True]

    def test_grades_are_ranked(self) -> None:
        """A is the best and has rank 0."""
        some = schema("loan_grade_rank")
        ranks = [some.row(parse_application(EXAMPLE | {"loan_grade": grade})) for grade in "ABCDEFG"]
        assert ranks == [[0], [1], [2], [3], [4], [5], [6]]

    def test_prior_default(self) -> None:
        """Y is 1 and N is 0."""
        some = schema("cb_person_default_on_file")
        rows = [some.row(parse_application(EXAMPLE | {"cb_person_default_on_file": answer})) for answer in "YN"]
        assert rows == [[1], [0]]

    @pytest.mark.parametrize("field", ["person_home_ownership", "loan_intent"])
    def test_one_hot(self, field: str) -> None:
        """Of a category's members exactly the applicant's own is 1."""
        members = schema(*[f"{field}_{word}" for word in CATEGORIES[field]])
        rows = [members.row(parse_application(EXAMPLE | {field: word})) for word in CATEGORIES[field]]
        assert np.array_equal(np.eye(len(rows)), rows)

    @examples(100)
    @given(st.permutations(list(FEATURES)), valid_applications())
    def test_order(self, names: list[str], document: Document) -> None:
        """The schema's order is the row's order, and a feature's value depends on neither its place nor the others."""
        application = parse_application(document)
        values = dict(zip(FEATURES, EVERY.row(application), strict=True))
        assert [values[name] for name in names] == schema(*names).row(application)
        assert [values[names[0]]] == schema(names[0]).row(application)

    @examples(300)
    @given(valid_applications(), valid_applications(), st.sampled_from(FIELDS))
    def test_each_feature_is_made_of_one_field(self, document: Document, other: Document, field: str) -> None:
        """Changing one field changes no feature of another; the exact ratio alone is made of amount and income."""
        document = document | {"loan_percent_income": None}
        changed = document | ({field: other[field]} if field in other and field != "loan_percent_income" else {})
        rows = [EVERY.row(parse_application(d)) for d in (document, changed)]
        differing = {
            feature.field for feature, before, after in zip(FEATURES.values(), *rows, strict=True) if before != after
        }
        assert differing <= {field} | {name for name, parts in MADE_OF.items() if field in parts}

    @pytest.mark.parametrize("field", sorted(set(FIELDS) - UNSCORED - {"loan_percent_income"}))
    def test_each_scored_field_counts(self, field: str) -> None:
        """Every scored field does change a feature of its own."""
        others = {word: words[-1] for word, words in CATEGORIES.items()}
        changed = EXAMPLE | {field: others.get(field, 11), "loan_percent_income": None}
        if field == "cb_person_default_on_file":
            changed[field] = "Y"
        rows = [
            schema(*[n for n, f in FEATURES.items() if f.field == field]).row(parse_application(d))
            for d in (EXAMPLE, changed)
        ]
        assert rows[0] != rows[1]

    @examples(100)
    @given(valid_applications(), st.integers(0, 120), st.integers(0, 100))
    def test_age_and_credit_history_change_nothing(self, document: Document, age: int, history: int) -> None:
        """The row is the same for applicants of any age and any length of credit history."""
        other = document | {"person_age": age, "cb_person_cred_hist_length": history}
        assert EVERY.row(parse_application(document)) == EVERY.row(parse_application(other))

    @examples(100)
    @given(valid_applications())
    def test_the_stated_ratio_changes_nothing(self, document: Document) -> None:
        """However the ratio is stated, and if it is stated at all, the row is the same."""
        other = document | {"loan_percent_income": None}
        assert EVERY.row(parse_application(document)) == EVERY.row(parse_application(other))


class TestMatrix:
    @examples(100)
    @given(st.lists(valid_applications(), max_size=6))
    def test_rows_are_the_matrix(self, documents: list[Document]) -> None:
        """One row at a time and all at once are equal bit for bit."""
        applications = [parse_application(document) for document in documents]
        matrix = EVERY.matrix(applications)
        alone = [np.array(EVERY.row(application), dtype=np.float32) for application in applications]
        assert b"".join(row.tobytes() for row in alone) == matrix.tobytes()
        assert (len(documents), len(FEATURES)) == matrix.shape

    @examples(60)
    @given(st.lists(valid_applications(), min_size=1, max_size=6), st.data())
    def test_neighbours_change_nothing(self, documents: list[Document], data: st.DataObject) -> None:
        """A row is the same in every batch and in every order."""
        applications = [parse_application(document) for document in documents]
        order = data.draw(st.lists(st.sampled_from(range(len(applications))), min_size=1, max_size=12))
        alone = [EVERY.matrix([application]).tobytes() for application in applications]
        together = EVERY.matrix([applications[i] for i in order])
        assert [alone[i] for i in order] == [row.tobytes() for row in together]

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
            assert (np.float32, True, (n, len(FEATURES))) == (matrix.dtype, matrix.flags.c_contiguous, matrix.shape)

    @examples(200)
    @given(valid_applications())
    def test_finite(self, document: Document) -> None:
        """No application within the contract leaves the range of float32."""
        assert np.isfinite(EVERY.matrix([parse_application(json.loads(json.dumps(document)))])).all()
