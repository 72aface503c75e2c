"""Portfolios as files for tests: rows drawn from a contract, some of them wrong in every way that there is."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portfolio.assessor import Assessor, Options
from portfolio.reading.spans import Part
from portfolio.running.engine import Listener
from portfolio.running.progress import Progress
from portfolio.running.receipt import Receipt
from portfolio.running.run import Job, Ran, job_of, open_input, run
from portfolio.running.scoring import Work, score_part
from tests.applications import CONTRACT, POLICY_FILE, portfolio
from tests.servers import ROOT

MODEL = ROOT / "artifacts" / "model"

Document = dict[str, Any]

WRONG: tuple[Document, ...] = (
    {"person_age": None},
    {"person_age": 200},
    {"person_age": 30.5},
    {"person_income": 0},
    {"person_home_ownership": "CASTLE"},
    {"loan_intent": None},
    {"loan_grade": ""},
    {"loan_percent_income": 0.9, "loan_amnt": 1000, "person_income": 100_000},
    {"cb_person_default_on_file": "yes"},
    {"loan_int_rate": -1, "person_emp_length": 81},
)
"""What makes a row one that the contract refuses; the last in two fields."""

NUMBERS = tuple(f.name for f in CONTRACT.fields if f.json_type != "string")
NAMES = tuple(f.name for f in CONTRACT.fields)


def rows_of(n: int, seed: int = 1, *, every: int = 0) -> list[Document]:
    """`n` applications with references, of which every so-manieth is wrong, in turns."""
    rows = [{**row, "reference": f"R-{i}"} for i, row in enumerate(portfolio(n, seed))]
    if every:
        for turn, i in enumerate(range(every // 2, n, every)):
            rows[i] |= WRONG[turn % len(WRONG)]
    return rows


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Numbers as float64, the rest as texts."""
    return pa.table(
        {
            name: pa.array(
                [
                    None if (value := row.get(name)) is None else float(value) if name in NUMBERS else value
                    for row in rows
                ],
                pa.float64() if name in NUMBERS else pa.string(),
            )
            for name in NAMES
        }
    )


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], *, group: int = 1 << 20, times: int = 1) -> Path:
    """Rows as Parquet, so many times over."""
    table = table_of(rows)
    pq.write_table(pa.concat_tables([table] * times), path, row_group_size=group)
    return path


def csv_text(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = NAMES) -> str:
    """Rows as CSV, with the lines' ends of Unix."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[row.get(name) for name in names] for row in rows])
    return text.getvalue()


class Here:
    """Does parts in this process, in any order."""

    def __init__(self, *, backwards: bool = False, only: int | None = None) -> None:
        self._step = -1 if backwards else 1
        self._only = only

    def run(self, work: Work, parts: Sequence[Part], listener: Listener) -> Iterator[Receipt]:
        for part in parts[:: self._step][: self._only]:
            yield score_part(work, part, lambda rows, bad, part=part: listener.at(part.number, rows, bad))
        if self._only is not None:
            raise KeyboardInterrupt


def opened(assessor: Assessor, path: Path, out: Path, part_rows: int = 100, **options: Any) -> Job:
    """An input with what is asked of it."""
    asked = Options(**options)
    return job_of(open_input(path, assessor, asked, part_rows), assessor, asked, out, part_rows)


def scored(assessor: Assessor, path: Path, out: Path, part_rows: int = 100, **options: Any) -> Ran:
    """An input scored in this process."""
    return run(opened(assessor, path, out, part_rows, **options), Here(), silent)


def silent(rows: int, done: int, bad: int) -> Progress:
    """Tells nobody."""
    return Progress(rows, done, bad, quiet=True)


def answers(out: Path) -> pa.Table:
    """All answers, in order."""
    return pq.read_table(out / "answers")


def quarantine(out: Path) -> list[tuple[int, str | None, str]]:
    """All that is wrong, in order."""
    rows = [row for path in sorted((out / "quarantine").iterdir()) for row in pq.read_table(path).to_pylist()]
    return [(row["row"], row["field"], row["kind"]) for row in rows]


def files_of(out: Path) -> dict[str, bytes]:
    """All that is in a folder of answers, but for the lock."""
    return {
        p.relative_to(out).as_posix(): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def command(path: Path, out: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command, begun."""
    return subprocess.Popen(
        [sys.executable, "-m", "portfolio", "score", str(path), str(out), "--model", str(MODEL), "--policy",
         str(POLICY_FILE), *arguments],
        cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
