"""Training files that don't fit their contract: counted and said, or refused, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scoring.artifact import read_artifact
from tests.books import csv_bytes, labelled, write_book
from training.__main__ import main

ROWS = 600

Lines = list[str]
Train = Callable[[str], int]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    contract = write_book(tmp_path_factory.mktemp("lines") / "book")
    return csv_bytes(contract, labelled(contract, ROWS, seed=21)).decode().splitlines()


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Train the book of every type on some text, into `tmp_path / "model"`."""

    def run(text: str) -> int:
        write_book(tmp_path / "book")
        (tmp_path / "loans.csv").write_text(text, encoding="utf-8")
        names = {"--book": "book", "--data": "loans.csv", "--out": "model"}
        return main([word for option, name in names.items() for word in (option, str(tmp_path / name))] + ["--quick"])

    return run


def text(lines: Lines) -> str:
    return "\n".join(lines) + "\n"


def without(lines: Lines, column: str) -> Lines:
    at = lines[0].split(";").index(column)
    return [";".join(cell for i, cell in enumerate(line.split(";")) if i != at) for line in lines]


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda lines: without(lines, "berths"), "has no column berths; its columns are Kaufpreis"),
            (lambda lines: without(lines, "Ausgang"), "has no column Ausgang"),
            (lambda lines: [line.replace(";", ",") for line in lines], "is the contract's file.delimiter the file's?"),
            (lambda lines: [line.replace(";", "\t") for line in lines], "is the contract's file.delimiter the file's?"),
            (lambda _: [], "its columns are none"),
            (lambda lines: lines[:1], "column Ausgang never holds lost, late"),
            (lambda lines: [lines[0], *(line for line in lines if line.endswith(";paid"))], "never holds lost, late"),
            (lambda lines: [line.removesuffix(";late") for line in lines], "never holds late"),
            (lambda lines: lines[:60], "training needs 50 of each label"),
            (lambda lines: [lines[0].replace("berths", "age"), *lines[1:]], "names column age twice; keep one"),
            (lambda lines: [lines[0], *(line.replace(";", ';"', 1) for line in lines[1:])], "is not CSV"),
        ],
    )  # fmt: skip
    def test_one_line_and_nothing_written(
        self, train: Train, lines: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        change: Callable[[Lines], Lines], message: str,
    ) -> None:  # fmt: skip
        """The file is refused in one line with the remedy."""
        assert train(text(change(lines))) == 1

        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert message in line
        assert not (tmp_path / "model").exists()


class TestCounted:
    def test_bad_rows_and_a_column_more(
        self, train: Train, lines: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A tenth of the rows is outside the contract: dropped by field and reason. A strange column is named."""
        header, *rows = lines
        at = header.split(";").index("age")
        kinds = ("4000", "x", "")
        broken = []
        for i, row in enumerate(rows):
            cells = row.split(";")
            if i % 10 == 0:
                cells[at] = kinds[i // 10 % 3]
            broken.append(";".join([*cells, "north"]))

        assert train(text([f"{header};branch", *broken])) == 0

        printed = capsys.readouterr()
        tenth = ROWS // 10
        assert f"read {ROWS} rows; dropped {tenth} outside the contract" in printed.out
        assert f"{tenth // 3}: age: Input should be less than or equal to 120" in printed.out
        assert f"{tenth // 3}: age: Input should be a valid integer" in printed.out
        assert f"{tenth // 3}: age: required field is missing" in printed.out
        assert "ignored column branch" in printed.err
        training = read_artifact(tmp_path / "model").manifest.training_data
        assert training["rows_outside_contract"] == tenth

    def test_rows_with_too_many_cells(self, train: Train, lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
        """A row with a cell more can't be told apart: it is dropped and counted."""
        assert train(text([lines[0], *(line + ";1" * (i % 20 == 0) for i, line in enumerate(lines[1:]))])) == 0
        assert f"{ROWS // 20}: row: more cells than there are columns" in capsys.readouterr().out
