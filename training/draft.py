"""`python -m training draft`: a loan book's first contract, catalogue, policy and golden applications from a file.

It never trains, and what it writes is refused by training until a person has settled what only a person can.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from decision import InvalidPolicyError
from decision.files import CATALOGUE_FILE, POLICY_FILE
from preprocessing.base import integral
from preprocessing.contract import CONTRACT_FILE, MAX_FIELDS, DataFile, InvalidContractError, label_key
from preprocessing.documents import printable
from training.book import GOLDEN_FILE, read_book
from training.drafting import files, signs
from training.drafting.alike import alike
from training.drafting.columns import Column
from training.drafting.fields import Document, draft_fields
from training.drafting.report import Rows, report
from training.errors import BookError, DataError, OutputError, TrainingError
from training.staging import writing
from training.tables import Cell, Row, number, read_table

REPORT_FILE = "draft_report.md"

MAX_LABELS = 20
"""A column with more values is no label."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file's columns and its label.

    Attributes:
        sha256: of the file.
        columns: all but the label's.
        defaulted: the label's values for a default, as the file has them.
        repaid: the others.
        rows: what became of the rows.
    """

    sha256: str
    columns: tuple[Column, ...]
    defaulted: tuple[Cell, ...]
    repaid: tuple[Cell, ...]
    rows: Rows


def read_source(path: Path, file: DataFile, label: str, defaulted: Sequence[str]) -> Source:
    """Read a file column by column.

    Raises:
        DataError: it can't be read, or has no such label.
    """
    table = read_table(path, file)
    if label not in table.columns:
        one = "; say how the file is written with --delimiter, --no-header or --encoding" * (len(table.columns) < 2)
        shown = ", ".join(printable(name) for name in table.columns[:40]) or "none"
        raise DataError(f"{path}: has no column {printable(label)}; its columns are {shown}{one}")
    if len(table.columns) > MAX_FIELDS:
        raise DataError(
            f"{path}: has {len(table.columns)} columns, and a contract takes {MAX_FIELDS - 1} beside the label; give a "
            "file with those that applications will have"
        )
    kept: list[Row] = []
    counted: Counter[str] = Counter()
    for row in table.rows:
        counted["read"] += 1
        if row.surplus:
            counted["surplus"] += 1
        elif row.cells.get(label) is None:
            counted["unlabelled"] += 1
        else:
            counted["short"] += len(row.cells) < len(table.columns)
            kept.append(row)
    bad, good = _label_values(path, label, [row.cells[label] for row in kept], defaulted)
    labels = [int(label_key(row.cells[label]) in {label_key(value) for value in bad}) for row in kept]
    columns = tuple(
        Column(name, [row.cells.get(name) for row in kept], labels, table.typed)
        for name in table.columns
        if name != label
    )
    rows = Rows(
        read=counted["read"],
        unlabelled=counted["unlabelled"],
        surplus=counted["surplus"],
        short=counted["short"],
        equal=len(kept) - len({tuple(row.cells.get(name) for name in table.columns) for row in kept}),
        defaults=sum(labels),
    )
    return Source(hashlib.sha256(table.content).hexdigest(), columns, bad, good, rows)


def _label_values(
    path: Path, label: str, cells: Sequence[Cell], defaulted: Sequence[str]
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    found = {label_key(cell): cell.strip() if isinstance(cell, str) else cell for cell in cells}
    if not found:
        raise DataError(f"{path}: has no row with a label in column {label}; give it rows")
    wanted = {label_key(value) for value in defaulted}
    if len(found) > MAX_LABELS:
        raise DataError(f"{path}: column {label} holds {len(found)} different values; name the label with --label")
    shown = ", ".join(sorted(printable(str(value), 30) for value in found.values()))
    if absent := [value for value in defaulted if label_key(value) not in found]:
        raise DataError(f"{path}: column {label} never holds {', '.join(absent)}; it holds {shown}")
    good = [_plain(value) for key, value in found.items() if key not in wanted]
    if not good:
        raise DataError(f"{path}: column {label} holds {shown} only, all of them defaults; give it repaid loans too")
    return tuple(_plain(found[key]) for key in sorted(wanted, key=str)), tuple(sorted(good, key=str))


def _plain(value: Cell) -> Cell:
    whole: Cell = integral(number(value) if isinstance(value, str) else value)
    return whole


def draft(path: Path, file: DataFile, label: str, defaulted: Sequence[str], out: Path) -> Document:
    """Write a draft into a new folder.

    Returns:
        The contract.

    Raises:
        TrainingError: the file can't be read, the folder is there already, or no contract can be made.
    """
    if out.exists():
        raise OutputError(f"{out}: is there already; give --out a new folder, since a draft never replaces anything")
    source = read_source(path, file, label, defaulted)
    drafted = draft_fields(source.columns)
    name = "_".join(signs.words(path.stem))[:50] or "loans"
    contract = files.contract(
        name if name[0].isalpha() else f"n_{name}", file, label, source.defaulted, source.repaid, drafted
    )
    documents = {
        CONTRACT_FILE: contract,
        CATALOGUE_FILE: files.catalogue(contract["fields"]),
        POLICY_FILE: files.policy(
            contract["fields"],
            source.rows.defaults / source.rows.usable,
            datetime.now().astimezone().date().isoformat(),
        ),
        GOLDEN_FILE: files.golden(drafted),
    }
    with writing(out, ()) as folder:
        for file_name, document in (documents | {CONTRACT_FILE: files.decided(contract)}).items():
            (folder / file_name).write_text(files.written(document) + "\n", encoding="utf-8")
        try:
            read_book(folder)
        except (InvalidContractError, InvalidPolicyError, BookError) as exc:
            raise DataError(f"{path}: no contract can be drafted ({str(exc).splitlines()[0]})") from exc
        (folder / CONTRACT_FILE).write_text(files.written(contract) + "\n", encoding="utf-8")
        text = report(path.name, source.sha256, source.rows, contract, drafted, alike(source.columns))
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    return contract


def run(options: argparse.Namespace) -> None:
    """Draft as the options say."""
    delimiter = {"\\t": "\t", "tab": "\t"}.get(options.delimiter, options.delimiter)
    try:
        file = DataFile(delimiter=delimiter, header=not options.no_header, encoding=options.encoding)
    except ValidationError as exc:  # the encoding is one of the option's choices
        raise TrainingError("--delimiter takes one character, no quote and no line's end, or tab") from exc
    contract = draft(options.data, file, options.label, options.defaulted, options.out)
    asked = len(contract["decide"]) + sum(len(field.get("decide", ())) for field in contract["fields"])
    print(f"wrote a draft with {len(contract['fields'])} fields to {options.out}")
    print(
        f"{asked} question(s) are for a person to decide: read {options.out / REPORT_FILE}, then edit {CONTRACT_FILE}"
    )
