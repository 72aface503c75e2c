"""The training data: read, held against the contract row by row, de-duplicated, and grouped for the split.

Every row goes through `Contract.parse`, as a request does, so that the model learns from nothing that serving would
refuse.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application, InvalidApplicationError
from preprocessing.contract import Contract, Label, label_key
from preprocessing.documents import printable
from preprocessing.fields import AnyField, Ratio, Reference
from training.errors import DataError
from training.tables import Cell, Row, Table, number, read_table

MIN_ROWS_PER_CLASS = 50
"""Usable rows that each label needs: with fewer, five folds measure nothing."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Where the data came from and what became of its rows.

    Attributes:
        sha256: of the file, hexadecimal.
        rows_read: rows of data.
        rows_outside_contract: rows dropped because the contract or the label refused them.
        refusals: "field: problem" to the number of rows it was found in, most frequent first; a row may have several.
        duplicates: rows dropped because an equal application with the same label came before; none where the contract
            names no fields that tell applicants apart.
        rows_used: rows left.
        defaults: rows left that defaulted.
        missing: field that may be missing to the number of rows left that lack it.
        ignored_columns: columns that are neither a field nor the label.
    """

    sha256: str
    rows_read: int
    rows_outside_contract: int
    refusals: dict[str, int]
    duplicates: int
    rows_used: int
    defaults: int
    missing: dict[str, int]
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model is fitted on.

    Attributes:
        contract: of the loan book.
        applications: n of them, each within the contract.
        labels: 1 where the loan defaulted, shape (n,).
        groups: which rows must stay on one side of a split, shape (n,); see `near_duplicates`.
        summary: where they came from.
    """

    contract: Contract
    applications: Sequence[Application]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    summary: DataSummary

    @property
    def disjoint(self) -> NDArray[np.int64] | None:
        """The harsher groups: rows equal in what the contract calls disjoint. None where it names nothing."""
        fields = self.contract.disjoint
        return near_duplicates(self.applications, fields) if fields else None


def read_training_data(path: Path, contract: Contract) -> TrainingData:
    """Read, check, de-duplicate and group the rows of a CSV or Parquet file.

    Raises:
        DataError: the file can't be read, lacks a column, or leaves too little to train on.
    """
    table = read_table(path, contract.file)
    _check_columns(table, contract, (contract.label.column,))
    kept: dict[tuple[Any, ...], tuple[Application, int]] = {}
    refusals: Counter[str] = Counter()
    labels_seen: Counter[Cell] = Counter()
    label_of = _labels(contract.label)
    rows = inside = 0
    for row in table.rows:
        rows += 1
        cell = row.cells.get(contract.label.column)
        labels_seen[cell] += 1
        label = label_of.get(label_key(cell))
        application, problems = _application(row, contract, table.typed)
        if label is None:
            problems.insert(0, f"{contract.label.column}: is no label that the contract names")
        refusals.update(problems)
        if application is not None and label is not None:
            inside += 1
            # Where nothing tells one applicant from another, equal rows may well be two applicants' and all count.
            key = _identity(application, label, contract) if contract.applicant else (inside,)
            kept.setdefault(key, (application, label))
    applications = [application for application, _ in kept.values()]
    labels = np.array([label for _, label in kept.values()], dtype=np.int64)
    sources = {field.source for field in contract.fields} | {contract.label.column}
    summary = DataSummary(
        sha256=hashlib.sha256(table.content).hexdigest(),
        rows_read=rows,
        rows_outside_contract=rows - inside,
        refusals=dict(sorted(refusals.items(), key=lambda refusal: (-refusal[1], refusal[0]))),
        duplicates=inside - len(kept),
        rows_used=len(kept),
        defaults=int(labels.sum()),
        missing={
            field.name: sum(application[field.name] is None for application in applications)
            for field in contract.fields
            if contract.may_lack(field) and field.name != contract.reference
        },
        ignored_columns=tuple(name for name in table.columns if name not in sources),
    )
    _check_labels(path, contract.label, labels_seen)
    _check_enough(path, contract, applications, summary)
    return TrainingData(contract, applications, labels, near_duplicates(applications, contract.applicant), summary)


def near_duplicates(applications: Sequence[Application], fields: Sequence[str]) -> NDArray[np.int64]:
    """Number the groups of applications that look like one applicant's: equal in all of `fields`.

    Such rows agree on nearly everything, the label included, and would leak across a random split. The numbers follow
    the sorted keys (what is missing last) and not the rows' order, for the split depends on them. Without fields, every
    application is a group of its own.

    Returns:
        One number per application, shape (n,).
    """
    if not fields:
        return np.arange(len(applications), dtype=np.int64)
    keys = [tuple(_sortable(application[field]) for field in fields) for application in applications]
    numbers = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _sortable(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 2, 0.0, ""
    return (1, 0.0, value) if isinstance(value, str) else (0, value, "")


def _identity(application: Application, label: int, contract: Contract) -> tuple[Any, ...]:
    return (label, *(value for name, value in application.items() if name != contract.reference))


def _labels(label: Label) -> dict[Cell, int]:
    return {label_key(value): kind for kind, values in ((1, label.defaulted), (0, label.repaid)) for value in values}


def _application(row: Row, contract: Contract, typed: bool) -> tuple[Application | None, list[str]]:
    """One row's application, or None and what is wrong with it."""
    if row.surplus:
        return None, ["row: more cells than there are columns"]
    # A missing value is left out, not passed as None, so that the contract calls it missing where it is required.
    document = {
        field.name: value if typed and field.json_type != "string" else _cell(field, value)
        for field in contract.fields
        if (value := row.cells.get(field.source)) is not None
    }
    try:
        return contract.parse(document), []
    except InvalidApplicationError as exc:
        return None, [f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in exc.errors]


def _cell(field: AnyField, value: Cell) -> Cell:
    if field.json_type == "string":
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return number(value) if isinstance(value, str) else value


def _check_columns(table: Table, contract: Contract, more: Sequence[str] = ()) -> None:
    # A column that may be empty may not be absent: nothing tells a forgotten column from a column of gaps.
    needed = [field.source for field in contract.fields if not isinstance(field, Ratio | Reference)]
    absent = [name for name in (*needed, *more) if name not in table.columns]
    if absent:
        one = "; is the contract's file.delimiter the file's?" if len(table.columns) == 1 else ""
        raise DataError(
            f"{table.path}: has no column {', '.join(absent)}; its columns are "
            f"{', '.join(printable(name) for name in table.columns[:40]) or 'none'}{one}"
        )


def _check_labels(path: Path, label: Label, seen: Counter[Cell]) -> None:
    found = {label_key(cell) for cell in seen}
    for role, values in (("defaulted", label.defaulted), ("repaid", label.repaid)):
        if absent := [str(value) for value in values if label_key(value) not in found]:
            most = ", ".join(printable(str(cell)) for cell, _ in seen.most_common(5)) or "nothing"
            raise DataError(
                f"{path}: column {label.column} never holds {', '.join(absent)}, which the contract's label.{role} "
                f"names; it holds {most}"
            )


def _check_enough(path: Path, contract: Contract, applications: Sequence[Application], summary: DataSummary) -> None:
    scarcest = min(summary.defaults, summary.rows_used - summary.defaults)
    if scarcest < MIN_ROWS_PER_CLASS:
        most = next(iter(summary.refusals), "")
        raise DataError(
            f"{path}: of {summary.rows_read} rows {summary.rows_used} are usable, {summary.defaults} of them defaults; "
            f"training needs {MIN_ROWS_PER_CLASS} of each label"
            + (f" (most often refused for {most})" if most else "; give it more rows")
        )
    for field in contract.imputed:
        without = {None, *contract.by_name[field].states}
        present = sum(application[field] not in without for application in applications)
        if present < MIN_ROWS_PER_CLASS:
            raise DataError(
                f"{path}: {field} is missing in nearly every row; its median can't be learned; fill it in, or change "
                "the contract so that it isn't scored"
            )
