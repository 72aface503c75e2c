"""The training data: read from CSV, held against the contract row by row, de-duplicated, and grouped for the split.

Every row goes through `preprocessing.application.parse_application`, as a request does, so that the model learns from
nothing that serving would refuse.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import FIELDS, InvalidApplicationError, LoanApplication, parse_application
from training.errors import DataError

LABEL = "loan_status"
"""The label's column: 1 where the loan defaulted, 0 where it was repaid."""

KNOWN_NAME = "credit_risk_dataset.csv"
KNOWN_SHA256 = "b32fa6878cc21181e78cd91ceafeaaa0e48a830fab2acd8ba56fc8879124ab1b"
"""The file that this project's figures were measured on; many copies under its name are altered."""

GROUP_FIELDS = ("person_age", "person_income", "loan_amnt", "person_emp_length")
"""Rows equal in these are taken for one applicant's; see `near_duplicates`."""

MIN_ROWS_PER_CLASS = 50
"""Usable rows that each label needs: with fewer, five folds measure nothing."""

_MISSING = frozenset({"", "na", "nan", "null"})

Cell = int | float | str | None


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Where the data came from and what became of its rows.

    Attributes:
        sha256: of the file, hexadecimal.
        rows_read: rows below the header.
        rows_outside_contract: rows dropped because the contract or the label refused them.
        reasons: "field: problem" to the number of rows it was found in, most frequent first; a row may have several.
        duplicates: rows dropped because an equal application with the same label came before.
        rows_used: rows left.
        defaults: rows left whose label is 1.
        missing: nullable field to the number of rows left that lack it.
        ignored_columns: columns that are neither a field nor the label.
    """

    sha256: str
    rows_read: int
    rows_outside_contract: int
    reasons: dict[str, int]
    duplicates: int
    rows_used: int
    defaults: int
    missing: dict[str, int]
    ignored_columns: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether the file is the one that this project's figures were measured on."""
        return self.sha256 == KNOWN_SHA256


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model is fitted on.

    Attributes:
        applications: n of them, each within the contract.
        labels: 1 where the loan defaulted, shape (n,).
        groups: which rows must stay on one side of a split, shape (n,); see `near_duplicates`.
        summary: where they came from.
    """

    applications: Sequence[LoanApplication]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    summary: DataSummary


def read_training_data(path: Path) -> TrainingData:
    """Read, check, de-duplicate and group the rows of a CSV file with a header.

    Raises:
        DataError: the file can't be read, is not CSV, lacks a column, or leaves too little to train on.
    """
    content = _content(path)
    reader = _reader(path, content, (*FIELDS, LABEL))
    kept: list[tuple[LoanApplication, int]] = []
    reasons: Counter[str] = Counter()
    rows = 0
    for cells in _rows(path, reader):
        rows += 1
        row, problems = _examine(cells)
        reasons.update(problems)
        if row is not None:
            kept.append(row)
    unique = list(dict.fromkeys(kept))
    applications = [application for application, _ in unique]
    labels = np.array([label for _, label in unique], dtype=np.int64)
    nullable = [name for name, field in LoanApplication.model_fields.items() if not field.is_required()]
    summary = DataSummary(
        sha256=hashlib.sha256(content).hexdigest(),
        rows_read=rows,
        rows_outside_contract=rows - len(kept),
        reasons=dict(sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))),
        duplicates=len(kept) - len(unique),
        rows_used=len(unique),
        defaults=int(labels.sum()),
        missing={name: sum(getattr(a, name) is None for a in applications) for name in nullable},
        ignored_columns=tuple(name for name in reader.fieldnames or () if name not in (*FIELDS, LABEL)),
    )
    _check_enough(path, summary)
    return TrainingData(applications, labels, near_duplicates(applications), summary)


def read_portfolio(path: Path) -> tuple[list[LoanApplication], int]:
    """Read applications from a CSV file with a header; other columns, a label among them, are ignored.

    Returns:
        The applications within the contract, and how many rows lie outside it.

    Raises:
        DataError: the file can't be read, is not CSV, lacks a column, or has no row within the contract.
    """
    outcomes = [_application(cells)[0] for cells in _rows(path, _reader(path, _content(path), FIELDS))]
    applications = [application for application in outcomes if application is not None]
    if not applications:
        raise DataError(f"{path}: none of its {len(outcomes)} rows is within the contract; correct the file")
    return applications, len(outcomes) - len(applications)


def near_duplicates(applications: Sequence[LoanApplication]) -> NDArray[np.int64]:
    """Number the groups of applications that look like one applicant's: equal in all of `GROUP_FIELDS`.

    Such rows agree on nearly everything, the label included, and would leak across a random split. The numbers follow
    the sorted keys (unknown employment length last) and not the rows' order, for the split depends on them.

    Returns:
        One number per application, shape (n,).
    """
    fields = attrgetter(*GROUP_FIELDS)
    keys = [tuple(math.inf if value is None else value for value in fields(a)) for a in applications]
    number = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path}: can't be read ({exc.strerror}); give --data the path of the CSV file") from exc


def _reader(path: Path, content: bytes, columns: Sequence[str]) -> csv.DictReader[str]:
    try:
        text = content.decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = reader.fieldnames or ()
    except (UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path}: is not CSV text in UTF-8; give --data the CSV file itself, unpacked") from exc
    absent = [name for name in columns if name not in header]
    if absent:
        raise DataError(f"{path}: has no column {', '.join(absent)}; its first line must name {', '.join(columns)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: names column {', '.join(twice)} twice; keep one")
    return reader


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str | None, str | list[str] | None]]:
    try:
        yield from reader
    except csv.Error as exc:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({exc}); correct the file") from exc


def _examine(cells: dict[str | None, str | list[str] | None]) -> tuple[tuple[LoanApplication, int] | None, list[str]]:
    """One row's application and label, or None and what is wrong with it."""
    text = cells.get(LABEL)
    label = _value(text) if isinstance(text, str) else None
    application, problems = _application(cells)
    if label not in (0, 1):
        problems.insert(0, f"{LABEL}: neither 0 (repaid) nor 1 (defaulted)")
    return (None if problems or application is None else (application, int(label or 0))), problems


def _application(
    cells: dict[str | None, str | list[str] | None],
) -> tuple[LoanApplication | None, list[str]]:
    """One row's application, or None and what is wrong with it."""
    values = {name: _value(text) for name, text in cells.items() if name in FIELDS and isinstance(text, str)}
    # A missing value is left out, not passed as None, so that the contract calls it missing where it is required.
    document = {name: value for name, value in values.items() if value is not None}
    if None in cells:
        return None, ["row: more cells than the header has columns"]
    try:
        return parse_application(document), []
    except InvalidApplicationError as exc:
        return None, [f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in exc.errors]


def _value(text: str) -> Cell:
    if text.strip().lower() in _MISSING:
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _check_enough(path: Path, summary: DataSummary) -> None:
    scarcest = min(summary.defaults, summary.rows_used - summary.defaults)
    if scarcest < MIN_ROWS_PER_CLASS:
        most = next(iter(summary.reasons), "")
        raise DataError(
            f"{path}: of {summary.rows_read} rows {summary.rows_used} are usable, {summary.defaults} of them defaults; "
            f"training needs {MIN_ROWS_PER_CLASS} of each label"
            + (f" (most often refused for {most})" if most else "; give it more rows")
        )
    for field in ("person_emp_length", "loan_int_rate"):
        if summary.rows_used - summary.missing[field] < MIN_ROWS_PER_CLASS:
            raise DataError(f"{path}: {field} is missing in nearly every row; its median can't be learned; fill it in")
