from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.applications import CONTRACT, FIELDS
from tests.training.conftest import BOOK
from tests.training.loans import LABEL, Row, WriteCsv
from training.book import read_book
from training.data import TrainingData, near_duplicates, read_training_data
from training.errors import DataError


class TestReading:
    def test_everything_in_order(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Rows within the contract are all kept, in their order, with their labels."""
        path = write_csv(rows)

        data = read_training_data(path, CONTRACT)

        assert [row["person_income"] for row in rows] == [a["person_income"] for a in data.applications]
        assert [row[LABEL] for row in rows] == data.labels.tolist()
        assert (
            data.summary.rows_read,
            data.summary.rows_outside_contract,
            data.summary.refusals,
            data.summary.duplicates,
            data.summary.rows_used,
        ) == (400, 0, {}, 0, 400)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == data.summary.sha256

    def test_missing_values(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Empty cells, and the words for nothing, are None, and are counted."""
        for row, nothing in zip(rows, ("", "NA", "NaN", "null"), strict=False):
            row["person_emp_length"] = nothing

        data = read_training_data(write_csv(rows), CONTRACT)

        assert [a["person_emp_length"] for a in data.applications[:4]] == [None] * 4
        absent = sum(row.get("person_emp_length") in (None, "", "NA", "NaN", "null") for row in rows)
        assert absent == data.summary.missing["person_emp_length"]

    def test_outside_the_contract(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Refused rows are dropped and counted by field and problem; one bad cell costs one row."""
        rows[0]["person_age"] = 144
        rows[1]["person_age"] = 123
        rows[2]["person_emp_length"] = 123
        rows[3]["loan_grade"] = "H"
        rows[4]["person_income"] = "plenty"
        rows[5]["person_income"] = ""
        rows[6]["loan_percent_income"] = 0.99
        rows[7][LABEL] = 2

        summary = read_training_data(write_csv(rows), CONTRACT).summary

        assert (summary.rows_outside_contract, summary.rows_used) == (8, 392)
        assert next(iter(summary.refusals)) == "person_age: Input should be less than or equal to 120"
        assert summary.refusals["person_age: Input should be less than or equal to 120"] == 2
        assert summary.refusals["person_income: required field is missing"] == 1
        assert summary.refusals["loan_status: is no label that the contract names"] == 1
        assert {"person_age", "person_emp_length", "loan_grade", "person_income", "loan_percent_income", LABEL} == {
            reason.split(":")[0] for reason in summary.refusals
        }

    def test_several_problems_in_one_row(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A row that is wrong in two ways is dropped once and counted under both."""
        rows[0] |= {"person_age": 144, LABEL: "maybe"}

        summary = read_training_data(write_csv(rows), CONTRACT).summary

        assert (summary.rows_outside_contract, len(summary.refusals)) == (1, 2)

    def test_surplus_and_missing_cells(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A row with more or fewer cells than the header is dropped."""
        path = write_csv(rows)
        lines = path.read_text().splitlines()
        lines[1] += ",surplus"
        lines[2] = lines[2].rsplit(",", 3)[0]
        path.write_text("\n".join(lines))

        summary = read_training_data(path, CONTRACT).summary

        assert summary.rows_outside_contract == 2
        assert summary.refusals["row: more cells than there are columns"] == 1
        assert summary.refusals["cb_person_default_on_file: required field is missing"] == 1

    def test_duplicates(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """An equal application with the same label is dropped, however it is written; with another label it is kept."""
        rewritten = rows[0] | {"loan_grade": f" {rows[0]['loan_grade'].lower()} "}
        contradiction = rows[1] | {LABEL: 1 - rows[1][LABEL]}

        summary = read_training_data(write_csv([*rows, rewritten, contradiction]), CONTRACT).summary

        assert (summary.rows_read, summary.duplicates, summary.rows_used) == (402, 1, 401)

    def test_ignored_columns(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Columns that are neither field nor label change nothing, and are named."""
        path = write_csv(({**row, "id": i} for i, row in enumerate(rows)), ("id", *FIELDS, LABEL))

        summary = read_training_data(path, CONTRACT).summary

        assert (summary.ignored_columns, summary.rows_used) == (("id",), 400)

    def test_the_real_file(self, real: TrainingData) -> None:
        """The known file gives the counts that the card states."""
        summary = real.summary

        assert summary.sha256 == read_book(BOOK).notes.sha256
        assert (
            summary.rows_read,
            summary.rows_outside_contract,
            summary.duplicates,
            summary.rows_used,
            summary.defaults,
        ) == (32581, 7, 165, 32409, 7088)
        assert list(summary.refusals.values()) == [5, 2]


class TestRefusals:
    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is named, with the remedy."""
        with pytest.raises(DataError, match=r"nowhere\.csv: can't be read \(No such file or directory\); give --data"):
            read_training_data(tmp_path / "nowhere.csv", CONTRACT)

    def test_folder(self, tmp_path: Path) -> None:
        """A folder is no file."""
        with pytest.raises(DataError, match="can't be read"):
            read_training_data(tmp_path, CONTRACT)

    @pytest.mark.parametrize("content", [b"PK\x03\x04\xff\xfe", b"\x00\x01", b"{}", b"", b"<html>"])
    def test_not_csv(self, tmp_path: Path, content: bytes) -> None:
        """Whatever is not the table is refused in one line."""
        path = tmp_path / "loans.csv"
        path.write_bytes(content)

        with pytest.raises(DataError, match=r"is not CSV text|has no column person_age") as caught:
            read_training_data(path, CONTRACT)

        assert "\n" not in str(caught.value)

    def test_broken_quotes(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A quote that never ends is an error of the file, with its line."""
        path = write_csv(rows)
        path.write_text(path.read_text() + '"unfinished')

        with pytest.raises(DataError, match=r"line 402 is not CSV"):
            read_training_data(path, CONTRACT)

    def test_missing_columns(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Every missing column is named."""
        columns = [name for name in (*FIELDS, LABEL) if name not in ("loan_grade", LABEL)]

        with pytest.raises(DataError, match=f"has no column loan_grade, {LABEL}"):
            read_training_data(write_csv(rows, columns), CONTRACT)

    def test_column_twice(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A column stated twice is ambiguous."""
        path = write_csv(rows)
        path.write_text(path.read_text().replace(LABEL, f"{LABEL},loan_grade", 1))

        with pytest.raises(DataError, match="names column loan_grade twice"):
            read_training_data(path, CONTRACT)

    def test_too_few_rows(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Five folds of a handful of rows measure nothing."""
        with pytest.raises(DataError, match=r"of 40 rows 40 are usable, .*give it more rows"):
            read_training_data(write_csv(rows[:40]), CONTRACT)

    def test_every_row_refused(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """When the contract refuses the rows, the commonest reason is named."""
        for row in rows:
            row["loan_grade"] = "H"

        with pytest.raises(DataError, match=r"of 400 rows 0 are usable.*most often refused for loan_grade"):
            read_training_data(write_csv(rows), CONTRACT)

    def test_column_without_values(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A column whose median can't be learned is named."""
        for row in rows:
            row["loan_int_rate"] = ""

        with pytest.raises(DataError, match="loan_int_rate is missing in nearly every row"):
            read_training_data(write_csv(rows), CONTRACT)


class TestNearDuplicates:
    def test_same_applicant(self, data: TrainingData) -> None:
        """Another loan purpose or grade is the same applicant; another age, income, amount or employment is not."""
        one = {**data.applications[0], "person_emp_length": None}
        other_grade = {**one, "loan_grade": "G", "loan_intent": "MEDICAL"}
        others = [
            {**one, **change}
            for change in (
                {"person_age": 99},
                {"person_income": 1.0},
                {"loan_amnt": 1.0},
                {"person_emp_length": 0.0},
            )
        ]

        groups = near_duplicates([one, other_grade, *others], CONTRACT.applicant)

        assert groups[0] == groups[1]
        assert len(set(groups)) == 5

    def test_row_order(self, data: TrainingData) -> None:
        """The numbers belong to the applicants, not to the order of the rows."""
        forward = near_duplicates(data.applications, CONTRACT.applicant)
        backward = near_duplicates(data.applications[::-1], CONTRACT.applicant)

        assert forward.tolist() == backward[::-1].tolist()
