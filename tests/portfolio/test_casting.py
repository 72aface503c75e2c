"""Columns of files as cells: what is refused up front, what is read, and that nothing is rounded on the way."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from portfolio.assessor import Assessor, Options
from portfolio.columnar.casting import cast, misfit
from portfolio.columnar.layout import lay_out
from portfolio.errors import ChangedModelError, UnfitInputError
from tests.applications import portfolio
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import EVERY_TYPE, contract_of, documents
from tests.portfolio.tables import assert_same, typed

BOATS = contract_of(EVERY_TYPE)


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor.open(MODEL_FOLDER, POLICY_FOLDER / "decision_policy.json")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return portfolio(400, seed=16)


def cells(field: str, column: pa.Array, *, text: bool = False) -> list[Any]:
    found = cast(pa.chunked_array([column]), BOATS.by_name[field], text=text)
    return found.taken(pa.array(range(len(column))))


class TestCells:
    def test_decimals_are_what_their_text_says(self) -> None:
        """Arrow's own cast of a decimal differs in the last bit for one in seven."""
        rng = random.Random(1)
        decimals = [Decimal(rng.randrange(10**9)) / 100 for _ in range(5000)]
        column = pa.array(decimals, pa.decimal128(18, 2))
        assert [float(str(number)) for number in decimals] == cells("price", column)
        assert [float(str(number)) for number in decimals] != column.cast(pa.float64()).to_pylist()

    @pytest.mark.parametrize(
        ("stated", "read"),
        [
            ("1", 1.0), (" 2.50 ", 2.5), ("+3", 3.0), ("-4e2", -400.0), (".5", 0.5), ("6.", 6.0), ("1e400", "1e400"),
            ("0.1", 0.1), ("123456789.123456789", 123456789.123456789), ("1_000", "1_000"), ("1,5", "1,5"),
            ("inf", "inf"), ("0x10", "0x10"), ("\u0661", "\u0661"), ("", None), (" ", None), ("NaN", None),
            ("NA", None), ("null", None), ("None", "None"), ("1 2", "1 2"), ("1\n", 1.0),
        ],
    )  # fmt: skip
    def test_texts_that_say_numbers(self, stated: str, read: object) -> None:
        """Decimal digits as Python reads them, or nothing; all else stays a text, which the contract refuses."""
        assert [read, None, 7.0] == cells("price", pa.array([stated, None, "7"]), text=True)

    def test_every_spelling_of_a_number_is_python_s(self) -> None:
        rng = random.Random(2)
        spelt = [repr(rng.uniform(0, 10) * 10.0 ** rng.randrange(-9, 12)) for _ in range(5000)]
        assert [float(text) for text in spelt] == cells("price", pa.array(spelt), text=True)

    def test_columns_of_other_encodings(self) -> None:
        """Dictionaries, runs, large texts, small integers, days and NaN are read for what they hold."""
        texts = pa.array(["steel", None, "steel"])
        for column in (texts.dictionary_encode(), texts.cast(pa.large_string()), texts.cast(pa.string_view())):
            assert ["steel", None, "steel"] == cells("hull", column)
        assert [1, None, 3] == cells("berths", pa.array([1, None, 3], pa.int8()))
        runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["steel", "wood"])
        assert ["steel", "steel", "wood"] == cells("hull", runs)
        assert ["2024-02-29", None] == cells("surveyed", pa.array([date(2024, 2, 29), None]))
        assert [1.5, None, None] == cells("price", pa.array([1.5, float("nan"), None]))
        assert ["1", "2", None, "2.5"] == cells("condition", pa.array([1.0, 2.0, None, 2.5]))
        assert ["1", "3"] == cells("condition", pa.array([1, 3]))
        assert ["17"] == cells("reference", pa.array([17]))
        assert [None, None] == cells("price", pa.nulls(2))

    def test_texts_that_are_no_utf_8(self) -> None:
        """A file may hold any bytes: such a cell is one that no field takes, and its neighbours are read."""
        bytes_ = pa.array([b"steel", b"stee\xff", None])
        column = pa.Array.from_buffers(pa.string(), 3, bytes_.buffers())
        assert ["steel", "\0stee\ufffd", None] == cells("hull", column)
        assert ["\0stee\ufffd"] == cells("reference", column.slice(1, 1))

    @pytest.mark.parametrize(
        ("field", "kind", "remedy"),
        [
            ("price", pa.float32(), "write it as float64"),
            ("price", pa.string(), "numbers are asked; cast it"),
            ("price", pa.bool_(), "numbers are asked; cast it"),
            ("price", pa.list_(pa.int64()), "numbers are asked; cast it"),
            ("berths", pa.timestamp("us"), "numbers are asked; cast it"),
            ("moored", pa.bool_(), "texts are asked; cast it"),
            ("surveyed", pa.timestamp("us"), "texts as YYYY-MM-DD are asked; cast it"),
            ("reference", pa.binary(), "texts or whole numbers are asked; cast it"),
        ],
    )
    def test_a_wrong_type_is_refused_with_the_remedy(self, field: str, kind: pa.DataType, remedy: str) -> None:
        problem = misfit(BOATS.by_name[field], kind, text=False)
        assert problem is not None
        assert problem.endswith(remedy) or remedy in problem
        assert str(kind) in problem


class TestUpFront:
    def refused(self, assessor: Assessor, table: pa.Table, options: Options) -> Sequence[str]:
        with pytest.raises(UnfitInputError) as refused:
            assessor.check(table.schema, options)
        return refused.value.errors

    def test_columns(self, assessor: Assessor, rows: list[dict[str, Any]]) -> None:
        """Missing, doubled, wrong: all of them at once, before any row is read."""
        table = typed(assessor.contract, rows)
        assessor.check(table.schema)
        assessor.check(table.drop_columns(["loan_percent_income", "reference"]).schema)
        bad = table.drop_columns(["loan_amnt"]).append_column("loan_grade", table["loan_grade"])
        bad = bad.set_column(1, "person_income", table["person_income"].cast(pa.float32()))
        first, second, third = self.refused(assessor, bad, Options(keys=("nowhere",)))
        assert first == "loan_grade: stands there twice; keep one"
        assert second.startswith("there is no column loan_amnt, nowhere; the columns are person_age, person_income, ")
        assert third.startswith("person_income: is of type float, which rounds 10.6")

    def test_keys_that_an_answer_has_itself(self, assessor: Assessor, rows: list[dict[str, Any]]) -> None:
        table = typed(assessor.contract, rows)
        table = table.append_column("decision", table["loan_grade"])
        (problem,) = self.refused(assessor, table, Options(keys=("decision",)))
        assert problem == "decision: an answer's own column is called so; choose another key"

    def test_columns_as_the_training_file_has_them(self) -> None:
        """A file is by the fields' names or by their `column`, never by both."""
        table = typed(BOATS, documents(BOATS, 5, 1))
        by_source = table.rename_columns([BOATS.by_name[name].source for name in table.column_names])
        assert lay_out(BOATS, table.schema, text=False).columns["price"] == "price"
        assert lay_out(BOATS, by_source.schema, text=False).columns["price"] == "Kaufpreis (€)"
        mixed = by_source.drop_columns(["Rumpf"]).append_column("hull", table["hull"])
        with pytest.raises(UnfitInputError, match="there is no column price; the columns are "):
            lay_out(BOATS, mixed.schema, text=False)


class TestAnswers:
    def test_what_is_carried_along(self, assessor: Assessor, rows: list[dict[str, Any]]) -> None:
        """Keys of any type and the reference as they came, the rows' numbers from the first on."""
        table = typed(assessor.contract, [row | {"reference": f"R-{i}"} for i, row in enumerate(rows)])
        table = table.append_column("branch", pa.array([{"city": i} for i in range(len(rows))]))
        options = Options(keys=("branch", "loan_amnt"))
        scored = assessor.score(table, 1000, options)
        assert (scored.answers.schema, scored.quarantined.schema) == assessor.schemas(table.schema, options)
        assert scored.answers["branch"].to_pylist() == [{"city": i} for i in range(len(rows))]
        assert scored.answers["loan_amnt"].to_pylist() == [row["loan_amnt"] for row in rows]
        assert scored.answers["reference"].to_pylist() == [f"R-{i}" for i in range(len(rows))]
        assert scored.answers["row"].to_pylist() == [*range(1000, 1000 + len(rows))]
        assert_same(assessor.engine, table.select(assessor.contract.by_name).to_pylist(), scored, 1000)

    def test_explanations_are_the_service_s(self, assessor: Assessor, rows: list[dict[str, Any]]) -> None:
        table = typed(assessor.contract, rows[:40])
        scored = assessor.score(table, 0, Options(explain=True, reasons=False))
        assert "reasons" not in scored.answers.column_names
        assert scored.answers.schema == assessor.schemas(table.schema, Options(explain=True, reasons=False))[0]
        for document, answer in zip(rows, scored.answers.to_pylist(), strict=False):
            (assessment,) = assessor.engine.explain([assessor.contract.parse(document)])
            assert assessment.attributions is not None
            assert assessment.attributions.by_field == answer["attributions"]
            assert assessment.attributions.base_value == answer["base_value"]

    @pytest.mark.parametrize("text", [False, True])
    def test_no_rows(self, assessor: Assessor, rows: list[dict[str, Any]], text: bool) -> None:
        """An empty table, and one of bad rows only, have answers of the same columns."""
        table = typed(assessor.contract, rows[:3])
        empty = assessor.score(table.slice(0, 0), 0, Options(text=text))
        assert (0, 0, 0) == (empty.answers.num_rows, empty.quarantined.num_rows, empty.bad_rows)
        bad = table.set_column(0, "person_age", pa.array([-1.0, None, 200.0]))
        scored = assessor.score(bad, 7, Options(text=text, values=True))
        assert scored.answers.schema == empty.answers.schema
        assert scored.quarantined.to_pylist() == [
            {"row": 7, "field": "person_age", "kind": "greater_than_equal", "value": "-1.0"},
            {"row": 8, "field": "person_age", "kind": "missing", "value": None},
            {"row": 9, "field": "person_age", "kind": "less_than_equal", "value": "200.0"},
        ]
        assert "value" not in assessor.score(bad, 7, Options(text=text)).quarantined.column_names

    def test_pickled_it_is_its_files(self, tmp_path: Path, assessor: Assessor, rows: list[dict[str, Any]]) -> None:
        """In a worker it is opened again, and refused where the files have changed since."""
        policy = tmp_path / "decision_policy.json"
        policy.write_bytes((POLICY_FOLDER / "decision_policy.json").read_bytes())
        sent = pickle.dumps(Assessor.open(MODEL_FOLDER, policy))
        table = typed(assessor.contract, rows[:50])
        assert pickle.loads(sent).score(table).answers.equals(assessor.score(table).answers)
        policy.write_bytes(policy.read_bytes() + b"\n")
        with pytest.raises(ChangedModelError, match="has changed since the work began; begin anew"):
            pickle.loads(sent)
