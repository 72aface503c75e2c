"""Files as lenders have them: Parquet, another delimiter or encoding, no header, labels in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocessing.contract import Contract, read_contract
from tests.applications import CONTRACT
from tests.training.loans import COLUMNS, LABEL, Row, WriteCsv, csv_text
from training.__main__ import main
from training.data import TrainingData, read_training_data
from training.errors import DataError

Document = dict[str, Any]


def contract_with(change: Callable[[Document], Any]) -> Contract:
    """The default contract, with its document altered."""
    document = json.loads(CONTRACT.model_dump_json(exclude_defaults=True))
    change(document)
    return read_contract(json.dumps(document).encode())


def labelled(defaulted: list[Any], repaid: list[Any]) -> Contract:
    return contract_with(lambda document: document["label"].update(defaulted=defaulted, repaid=repaid))


def same(one: TrainingData, other: TrainingData) -> bool:
    return (
        one.applications == other.applications
        and np.array_equal(one.labels, other.labels)
        and np.array_equal(one.groups, other.groups)
    )


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet is read where it is")
    pq = pytest.importorskip("pyarrow.parquet")

    def write(columns: dict[str, Any]) -> Path:
        path = tmp_path / "loans.parquet"
        pq.write_table(pa.table(list(columns.values()), names=list(columns)), path)
        return path

    return write


def as_columns(rows: list[Row]) -> dict[str, list[Any]]:
    return {column: [row.get(column) for row in rows] for column in COLUMNS}


class TestParquet:
    def test_is_read_as_csv_is(self, rows: list[Row], write_csv: WriteCsv, write_parquet: Callable[..., Path]) -> None:
        """The same loans give the same applications, labels and groups, bit for bit."""
        columns = as_columns(rows)
        columns["person_emp_length"] = [float("nan") if v is None else float(v) for v in columns["person_emp_length"]]
        columns["cb_person_cred_hist_length"] = [float(value) for value in columns["cb_person_cred_hist_length"]]

        data = read_training_data(write_parquet(columns), CONTRACT)

        assert same(read_training_data(write_csv(rows), CONTRACT), data)
        assert data.summary.missing["person_emp_length"] > 0
        assert (400, 0) == (data.summary.rows_used, data.summary.rows_outside_contract)

    @pytest.mark.parametrize(
        ("column", "values", "contract"),
        [
            (LABEL, lambda value: value == 1, labelled(["true"], ["false"])),
            (LABEL, float, CONTRACT),
            (LABEL, lambda value: Decimal(str(value)), CONTRACT),
            ("person_income", lambda value: Decimal(str(value)), CONTRACT),
        ],
        ids=["yes or no", "float label", "decimal label", "decimal"],
    )
    def test_other_types(
        self,
        rows: list[Row],
        write_csv: WriteCsv,
        write_parquet: Callable[..., Path],
        column: str,
        values: Callable[[Any], Any],
        contract: Contract,
    ) -> None:
        """A column's type is the file's affair; what it says is the same."""
        columns = as_columns(rows)
        columns[column] = [values(value) for value in columns[column]]

        assert same(read_training_data(write_csv(rows), CONTRACT), read_training_data(write_parquet(columns), contract))

    def test_days(self, rows: list[Row], write_parquet: Callable[..., Path]) -> None:
        """A date and a point in time are the day that they are."""
        contract = contract_with(
            lambda document: document["fields"].append(
                {"name": "applied", "type": "date", "description": "When.", "example": "2020-01-31"}
            )
        )
        for day in (date(2024, 2, 29), datetime(2024, 2, 29, 13, 30, tzinfo=UTC)):
            columns = as_columns(rows) | {"applied": [day] * len(rows)}
            data = read_training_data(write_parquet(columns), contract)
            assert {"2024-02-29"} == {application["applied"] for application in data.applications}

    def test_a_text_is_no_number(self, rows: list[Row], write_parquet: Callable[..., Path]) -> None:
        """The file tells texts from numbers itself, so that a text is refused where a request's would be."""
        columns = as_columns(rows)
        columns["loan_amnt"] = [str(value) for value in columns["loan_amnt"]]

        with pytest.raises(DataError, match=r"0 are usable.*refused for loan_amnt: Input should be a valid number"):
            read_training_data(write_parquet(columns), CONTRACT)

    @pytest.mark.parametrize("damage", ["cut", "a page"])
    def test_damaged(
        self,
        rows: list[Row],
        write_parquet: Callable[..., Path],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        damage: str,
    ) -> None:
        """Damage at the end or amid the data is one line, and nothing is written."""
        path = write_parquet(as_columns(rows))
        content = path.read_bytes()
        path.write_bytes(content[:-100] if damage == "cut" else content[:20] + b"\xff" * 200 + content[220:])

        code = main(["--data", str(path), "--out", str(tmp_path / "model")])

        (line,) = capsys.readouterr().err.splitlines()
        assert code == 1
        assert "is no readable Parquet file" in line
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize(("kind", "value"), [("a time", 2**62), ("a day", 2**30), ("a text", b"\xff\xfe")])
    def test_what_python_can_t_hold(
        self, rows: list[Row], write_parquet: Callable[..., Path], kind: str, value: Any
    ) -> None:
        """A day beyond the year 9999 or a text that is no UTF-8 is one refusal too."""
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet is read where it is")
        stored, read = {
            "a time": (pa.int64(), pa.timestamp("us")),
            "a day": (pa.int32(), pa.date32()),
            "a text": (pa.binary(), pa.string()),
        }[kind]
        # A view, since a cast to text would look at it.
        column = pa.array([value] * len(rows), stored).view(read)

        with pytest.raises(DataError, match="is no readable Parquet file"):
            read_training_data(write_parquet(as_columns(rows) | {"noted": column}), CONTRACT)

    def test_column_twice(self, rows: list[Row], tmp_path: Path) -> None:
        """A column stated twice is ambiguous here, too."""
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet is read where it is")
        pq = pytest.importorskip("pyarrow.parquet")
        columns = as_columns(rows)
        table = pa.table([*columns.values(), columns["loan_grade"]], names=[*columns, "loan_grade"])
        pq.write_table(table, tmp_path / "loans.parquet")

        with pytest.raises(DataError, match="names column loan_grade twice"):
            read_training_data(tmp_path / "loans.parquet", CONTRACT)

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is missing is said, and that CSV does without."""
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "loans.parquet").write_bytes(b"PAR1PAR1")

        with pytest.raises(DataError, match=r"Parquet is read by pyarrow.*install it, or give --data a CSV file"):
            read_training_data(tmp_path / "loans.parquet", CONTRACT)


def without_header(document: Document, **file: Any) -> None:
    """Columns by their numbers, and a loan purpose that ASCII can't write."""
    document["file"] = {"header": False, **file}
    for field in document["fields"]:
        if field["name"] in COLUMNS:
            field["column"] = f"column_{COLUMNS.index(field['name']) + 1}"
        if field["name"] == "loan_intent":
            field["categories"] = [{"VENTURE": "GRÜNDUNG"}.get(word, word) for word in field["categories"]]
    document["label"]["column"] = f"column_{len(COLUMNS)}"


class TestText:
    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16"])
    def test_tabs_no_header_and_an_encoding(
        self, rows: list[Row], write_csv: WriteCsv, tmp_path: Path, encoding: str
    ) -> None:
        """The contract says how the file is written; the loans are the same."""
        contract = contract_with(lambda document: without_header(document, delimiter="\t", encoding=encoding))
        lines = csv_text(rows).replace(",", "\t").replace("VENTURE", "gründung".upper()).splitlines()[1:]
        path = tmp_path / "loans.tsv"
        path.write_text("\n".join(lines), encoding=encoding)

        data = read_training_data(path, contract)

        expected = read_training_data(write_csv(rows), CONTRACT)
        spelt = [
            {**a, "loan_intent": {"VENTURE": "GRÜNDUNG"}.get(a["loan_intent"], a["loan_intent"])}
            for a in expected.applications
        ]
        assert spelt == [dict(application) for application in data.applications]
        assert expected.labels.tolist() == data.labels.tolist()
        assert expected.groups.tolist() == data.groups.tolist()
        assert (400, ()) == (data.summary.rows_read, data.summary.ignored_columns)
        assert any(application["loan_intent"] == "GRÜNDUNG" for application in data.applications)

    def test_another_encoding_than_the_contract_s(self, rows: list[Row], tmp_path: Path) -> None:
        """Read as what it isn't, a file would teach other words: it is refused instead."""
        contract = contract_with(lambda document: without_header(document, delimiter=","))
        path = tmp_path / "loans.csv"
        path.write_text(csv_text(rows).replace("VENTURE", "GRÜNDUNG").partition("\n")[2], encoding="latin-1")

        with pytest.raises(DataError, match="is not CSV text in utf-8"):
            read_training_data(path, contract)

    def test_another_delimiter_than_the_contract_s(self, rows: list[Row], tmp_path: Path) -> None:
        path = tmp_path / "loans.csv"
        path.write_text(csv_text(rows).replace(",", ";"), encoding="utf-8")

        with pytest.raises(
            DataError, match=r"has no column person_age.*is the contract's file\.delimiter the file's\?"
        ):
            read_training_data(path, CONTRACT)

    def test_a_byte_order_mark_is_no_name(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """What spreadsheets put before the first column is not part of its name."""
        path = write_csv(rows)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

        assert read_training_data(path, CONTRACT).summary.rows_used == 400

    def test_columns_of_other_names(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A field's column may be called anything; rules, features and answers know its name only."""
        contract = contract_with(lambda document: document["fields"][1].update(column="Yearly Income (USD)"))
        path = write_csv(rows)
        expected = read_training_data(path, CONTRACT)
        path.write_text(path.read_text().replace("person_income", "Yearly Income (USD)", 1), encoding="utf-8")

        assert same(expected, read_training_data(path, contract))


class TestLabel:
    WORDS = labelled(
        ["Charged Off", "Zahlungsunfähig, und seit mehr als neunzig Tagen ohne jede Zahlung auf den Kredit"],
        ["Fully Paid"],
    )

    def test_words(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """Labels may be words of any length and alphabet, several for each; white space around them doesn't count."""
        expected = read_training_data(write_csv(rows), CONTRACT)
        for i, row in enumerate(rows):
            row[LABEL] = self.WORDS.label.defaulted[i % 2] if row[LABEL] else f" {self.WORDS.label.repaid[0]} "

        data = read_training_data(write_csv(rows), self.WORDS)

        assert same(expected, data)
        assert sum(expected.labels) == data.summary.defaults

    def test_other_words_are_refused_row_by_row(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """A loan that is still running taught nothing yet; nor does one whose label is missing."""
        for i, row in enumerate(rows):
            row[LABEL] = self.WORDS.label.defaulted[i % 2] if row[LABEL] else "Fully Paid"
        rows[0][LABEL], rows[1][LABEL], rows[2][LABEL] = "Current", "", "fully paid"

        summary = read_training_data(write_csv(rows), self.WORDS).summary

        assert {f"{LABEL}: is no label that the contract names": 3} == summary.refusals
        assert (397, 3) == (summary.rows_used, summary.rows_outside_contract)

    @pytest.mark.parametrize("written", ["1", "1.0", "1.00", "+1", 1])
    def test_a_number_however_it_is_written(self, rows: list[Row], write_csv: WriteCsv, written: Any) -> None:
        """In the file or in the contract, it is the number that counts."""
        expected = read_training_data(write_csv(rows), CONTRACT)
        for row in rows:
            row[LABEL] = written if row[LABEL] else 0

        assert same(expected, read_training_data(write_csv(rows), CONTRACT))
        assert same(expected, read_training_data(write_csv(rows), labelled(["1"], [0.0])))

    @pytest.mark.parametrize(
        ("contract", "absent"),
        [
            (labelled([1, 2], [0]), r"never holds 2, which the contract's label\.defaulted names; it holds 0, 1"),
            (labelled([1], [0, "paid"]), r"never holds paid, which the contract's label\.repaid names; it holds 0, 1"),
            (labelled(["Charged Off"], ["Fully Paid"]), r"never holds Charged Off, .*label\.defaulted"),
        ],
        ids=["one more", "one more of the other", "none"],
    )
    def test_a_value_that_never_occurs(
        self, rows: list[Row], write_csv: WriteCsv, contract: Contract, absent: str
    ) -> None:
        """A contract that speaks of another column, or of another coding, is told what the column holds."""
        with pytest.raises(DataError, match=absent):
            read_training_data(write_csv(rows), contract)

    def test_one_class(self, rows: list[Row], write_csv: WriteCsv) -> None:
        """From loans that were all repaid nothing can be learned."""
        with pytest.raises(DataError, match=r"never holds 1, which the contract's label\.defaulted names; it holds 0"):
            read_training_data(write_csv([row | {LABEL: 0} for row in rows]), CONTRACT)

    def test_no_row(self, write_csv: WriteCsv) -> None:
        """A header alone is told as such."""
        with pytest.raises(DataError, match=r"never holds 1, .*; it holds nothing"):
            read_training_data(write_csv([]), CONTRACT)
