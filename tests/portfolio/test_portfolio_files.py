"""Files in: Parquet and CSV, one or a folder of them, partitioned or not; every row is answered or quarantined."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portfolio.assessor import Assessor
from portfolio.errors import InputChangedError, UnfitInputError, UnreadableInputError
from portfolio.reading.delimited import read_header, scan
from portfolio.reading.reading import blocks_of
from portfolio.running.scoring import score_part
from preprocessing.application import InvalidApplicationError
from tests.applications import CONTRACT
from tests.portfolio.portfolios import (
    NAMES,
    answers,
    csv_text,
    opened,
    quarantine,
    rows_of,
    scored,
    table_of,
    write_parquet,
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Some of them wrong."""
    return rows_of(1000, every=37)


def refused(rows: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """Row and field of what the contract refuses."""
    found = set()
    for i, row in enumerate(rows):
        try:
            CONTRACT.parse({name: value for name, value in row.items() if value is not None})
        except InvalidApplicationError as exc:
            found |= {(i, str(error.loc[0])) for error in exc.errors}
    return found


class TestParquet:
    def test_every_row_is_answered_or_quarantined(
        self, assessor: Assessor, tmp_path: Path, rows: list[dict[str, Any]]
    ) -> None:
        """Wherever row groups and parts end; numbers are the input's own."""
        ran = scored(assessor, write_parquet(tmp_path / "a.parquet", rows, group=300), tmp_path / "out", 130)
        wrong = refused(rows)
        assert wrong == {(row, field) for row, field, _ in quarantine(tmp_path / "out")}
        good = [i for i in range(len(rows)) if i not in {row for row, _ in wrong}]
        found = answers(tmp_path / "out")
        assert good == found["row"].to_pylist()
        assert [f"R-{i}" for i in good] == found["reference"].to_pylist()
        whole = assessor.score(table_of(rows)).answers
        assert whole.to_pylist() == found.to_pylist()
        manifest = ran.manifest
        assert (1000, len(good), 1000 - len(good)) == (
            manifest["rows"], manifest["answered"], manifest["quarantined"],
        )  # fmt: skip

    def test_a_partitioned_folder_is_one_input(
        self, assessor: Assessor, tmp_path: Path, rows: list[dict[str, Any]]
    ) -> None:
        """Its folders' names are columns, files without rows and those of other programs do no harm."""
        for year, part in (("2024", rows[:450]), ("2025", []), ("2026", rows[450:])):
            folder = tmp_path / "in" / f"year={year}" / "segment=A%2FB"
            folder.mkdir(parents=True)
            write_parquet(folder / "x.parquet", part)
        (tmp_path / "in" / "_SUCCESS").touch()
        scored(assessor, tmp_path / "in", tmp_path / "out", 400, keys=("year", "segment"))
        found = answers(tmp_path / "out").to_pylist()
        assert len(found) == 1000 - len({row for row, _ in refused(rows)})
        assert {(2024 if row["row"] < 450 else 2026, "A/B") == (row["year"], row["segment"]) for row in found} == {True}

    def test_files_that_do_not_belong_together(self, assessor: Assessor, tmp_path: Path) -> None:
        table = table_of(rows_of(3))
        folder = tmp_path / "in"
        folder.mkdir()
        pq.write_table(table, folder / "a.parquet")
        i = table.schema.get_field_index("loan_amnt")
        pq.write_table(table.set_column(i, "loan_amnt", table["loan_amnt"].cast(pa.int64())), folder / "b.parquet")
        with pytest.raises(UnfitInputError, match=r"b.parquet: loan_amnt is of type int64, and of type double in a"):
            opened(assessor, folder, tmp_path / "out")

    def test_columns_of_a_wrong_type_are_refused_before_anything_is_written(
        self, assessor: Assessor, tmp_path: Path
    ) -> None:
        table = table_of(rows_of(3))
        i = table.schema.get_field_index("loan_int_rate")
        pq.write_table(table.set_column(i, "loan_int_rate", table["loan_int_rate"].cast(pa.float32())), tmp_path / "a")
        with pytest.raises(UnfitInputError, match=r"a: loan_int_rate: is of type float, .*float64"):
            scored(assessor, tmp_path / "a", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_damaged_page(self, assessor: Assessor, tmp_path: Path) -> None:
        path = write_parquet(tmp_path / "a.parquet", rows_of(2000))
        content = bytearray(path.read_bytes())
        content[200:2000] = bytes(1800)
        path.write_bytes(content)
        with pytest.raises(UnreadableInputError, match=r"a\.parquet: is no readable Parquet file; write it again"):
            scored(assessor, path, tmp_path / "out", 3000)

    @pytest.mark.parametrize("found", ["no.parquet", "empty", "mixed", "packed", "nothing like it"])
    def test_what_is_no_input(self, assessor: Assessor, tmp_path: Path, found: str) -> None:
        path = tmp_path / found
        if found == "no.parquet":
            path.write_bytes(b"PAR1 and nothing else")
        elif found in {"empty", "mixed", "packed"}:
            path.mkdir()
            names = {"empty": [], "mixed": ["a.parquet", "b.csv"], "packed": ["a.csv.gz"]}[found]
            for name in names:
                (path / name).touch()
        with pytest.raises(UnreadableInputError, match=f"{found}.*; |{found}.*name"):
            opened(assessor, path, tmp_path / "out")

    @pytest.mark.parametrize("leads_to", ["elsewhere", "nowhere"])
    def test_no_rows_are_left_out_behind_a_link(self, assessor: Assessor, tmp_path: Path, leads_to: str) -> None:
        """A file may be one; a folder's files would not be found, and nobody would know."""
        folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        file = write_parquet(elsewhere / "a.parquet", rows_of(3))
        (folder / "a.parquet").symlink_to(file)
        assert 3 == opened(assessor, folder, tmp_path / "out").plan["input"]["rows"]
        (folder / "more.parquet").symlink_to(tmp_path / leads_to)
        with pytest.raises(UnreadableInputError, match=r"more.parquet: is a link to a folder or to nothing"):
            opened(assessor, folder, tmp_path / "out")


class TestCSV:
    def test_the_same_answers_as_of_parquet(
        self, assessor: Assessor, tmp_path: Path, rows: list[dict[str, Any]]
    ) -> None:
        """A cell that is no number costs its row alone, where a reader of types would end or make texts of all."""
        (tmp_path / "a.csv").write_text(csv_text(rows), encoding="utf-8")
        scored(assessor, tmp_path / "a.csv", tmp_path / "csv", 130)
        scored(assessor, write_parquet(tmp_path / "a.parquet", rows), tmp_path / "parquet", 130)
        assert answers(tmp_path / "parquet").equals(answers(tmp_path / "csv"))
        assert {row for row, _, _ in quarantine(tmp_path / "parquet")} == {
            row for row, _, _ in quarantine(tmp_path / "csv")
        }

    def test_rows_that_are_none(self, assessor: Assessor, tmp_path: Path) -> None:
        """Too many cells, too few, a text for a number, bytes that are no text: each costs its row, and is named."""
        rows = rows_of(400)
        lines = csv_text(rows).encode().split(b"\n")
        lines[1 + 10] += b",more"
        lines[1 + 11] = b"1,2,3"
        lines[1 + 12] = lines[1 + 12].replace(b"R-12", b"\xff\xfe")
        lines[1 + 13] = b"abc" + lines[1 + 13][lines[1 + 13].index(b",") :]
        lines[1 + 399] += b",more"
        (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
        scored(assessor, tmp_path / "a.csv", tmp_path / "out", 150)
        found = quarantine(tmp_path / "out")
        assert found == [
            (10, None, "cells"), (11, None, "cells"), (12, "reference", "string_unicode"),
            (13, "person_age", found[3][2]), (399, None, "cells"),
        ]  # fmt: skip
        kept = answers(tmp_path / "out")
        assert [i for i in range(399) if i not in {10, 11, 12, 13}] == kept["row"].to_pylist()
        assert [f"R-{i}" for i in kept["row"].to_pylist()] == kept["reference"].to_pylist()

    def test_only_rows_that_are_none(self, assessor: Assessor, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(",".join(NAMES) + "\n" + "1,2\n" * 250, encoding="utf-8")
        ran = scored(assessor, tmp_path / "a.csv", tmp_path / "out", 100)
        assert (250, 250) == (ran.manifest["rows"], ran.manifest["quarantined"])
        assert [(i, None, "cells") for i in range(250)] == quarantine(tmp_path / "out")

    def test_a_quotation_mark_without_another(self, assessor: Assessor, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(csv_text(rows_of(20)).replace("R-5", '"R-5'), encoding="utf-8")
        with pytest.raises(UnreadableInputError, match="has none that closes it; correct the file"):
            scored(assessor, tmp_path / "a.csv", tmp_path / "out")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be-bom"])
    @pytest.mark.parametrize("rows", [1, 7, 1000])
    def test_records_begin_where_the_csv_module_says(
        self, tmp_path: Path, encoding: str, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lines' ends of every system, within quotes too, empty lines, and blocks that end anywhere."""
        monkeypatch.setattr("portfolio.reading.delimited.BLOCK", 64)
        rng = random.Random(f"{encoding} {rows}")
        text = "a,b" + rng.choice(["\n", "\r\n", "\r"])
        for _ in range(200):
            cells = ["".join(rng.choices('xé\n\r,"', k=rng.randrange(6))) for _ in range(2)]
            line = io.StringIO(newline="")
            csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
            text += line.getvalue() + rng.choice(["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"])
        path = tmp_path / "a.csv"
        content = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
        path.write_bytes(content)
        contract = {"utf-8-sig": "utf-8", "utf-16-be-bom": "utf-16"}.get(encoding, encoding)
        header = read_header(path, ",", contract, header=True)
        found = scan(path, header, 0, 0, rows)
        expected = [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells][1:]
        assert ("a", "b") == header.columns
        assert len(expected) == found.rows == sum(span.rows for span in found.spans)
        for span in found.spans:
            piece = content[span.offset : span.offset + span.size].decode(header.encoding)
            assert expected[span.start : span.start + span.rows] == [
                cells for cells in csv.reader(io.StringIO(piece, newline="")) if cells
            ]
        assert {rows} >= {span.rows for span in found.spans[:-1]}


class TestChanged:
    @pytest.mark.parametrize("when", ["before a part", "while a part is read"])
    def test_a_file_that_somebody_writes_to(self, assessor: Assessor, tmp_path: Path, when: str) -> None:
        path = write_parquet(tmp_path / "a.parquet", rows_of(300))
        job = opened(assessor, path, tmp_path / "out")
        work, part = job.work, job.opened.parts[1]
        with work.output.held(job.plan):
            pass
        if when == "before a part":
            write_parquet(path, rows_of(300, seed=2))
            with pytest.raises(InputChangedError, match=r"a\.parquet: has changed since the work on it began"):
                score_part(work, part)
        else:
            blocks = blocks_of(work.source, part, 50)
            next(blocks)
            write_parquet(path, rows_of(301, seed=2))
            with pytest.raises(InputChangedError):
                list(blocks)
        assert [] == [p for name in ("answers", "receipts") for p in (tmp_path / "out" / name).iterdir()]


class TestEmpty:
    @pytest.mark.parametrize("kind", ["parquet", "csv"])
    def test_an_input_without_rows_has_answers_without_rows(
        self, assessor: Assessor, tmp_path: Path, kind: str
    ) -> None:
        path = tmp_path / f"a.{kind}"
        if kind == "csv":
            path.write_text(csv_text([]), encoding="utf-8")
        else:
            write_parquet(path, [])
        ran = scored(assessor, path, tmp_path / "out")
        assert (0, 0, 0) == tuple(ran.manifest[name] for name in ("rows", "answered", "quarantined"))
        assert answers(tmp_path / "out").schema == assessor.score(table_of([])).answers.schema
