"""The rows of a training file, CSV or Parquet, as the contract's fields want them: texts, numbers, or nothing."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from preprocessing.contract import DataFile
from preprocessing.documents import printable
from training.errors import DataError

MISSING = frozenset({"", "na", "nan", "null"})
"""What stands in a cell without a value, in any case."""

MOST_NAMED = 40
"""Columns named in a message."""

PARQUET = b"PAR1"
"""How a Parquet file begins and ends."""

Cell = int | float | str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        cells: column to value; None where it is missing.
        surplus: whether it has more cells than there are columns.
    """

    cells: Mapping[str, Cell]
    surplus: bool = False


@dataclass(frozen=True)
class Table:
    """A training file, read.

    Attributes:
        path: where it is.
        content: its bytes.
        columns: their names.
        typed: whether the file itself tells numbers from texts.
        rows: to be read once.
    """

    path: Path
    content: bytes
    columns: tuple[str, ...]
    typed: bool
    rows: Iterator[Row]


def read_table(path: Path, written: DataFile) -> Table:
    """Open a training file.

    Raises:
        DataError: it can't be read, or is not written as the contract says.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path}: can't be read ({exc.strerror}); give --data the path of the file") from exc
    table = _parquet(path, content) if content.startswith(PARQUET) else _csv(path, content, written)
    if twice := sorted(name for name, count in Counter(table.columns).items() if count > 1):
        named = ", ".join(map(printable, twice[:MOST_NAMED]))
        raise DataError(f"{path}: names column {named} twice; keep one")
    return table


def number(text: str) -> Cell:
    """The number that a text says, or the text; an integer that no float holds stays one."""
    for kind in (int, float):
        try:
            found = kind(text)
            float(found)
        except ValueError:
            continue
        except OverflowError:
            return text
        return found
    return text


def _csv(path: Path, content: bytes, written: DataFile) -> Table:
    encoding = "utf-8-sig" if written.encoding == "utf-8" else written.encoding
    try:
        text = content.decode(encoding)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=written.delimiter, strict=True)
        first = next((cells for cells in reader if cells), [])
    except (UnicodeDecodeError, csv.Error) as exc:
        raise DataError(
            f"{path}: is not CSV text in {written.encoding}; give --data the CSV file itself, unpacked"
        ) from exc
    columns = tuple(first) if written.header else tuple(f"column_{i}" for i, _ in enumerate(first, 1))
    return Table(path, content, columns, False, _csv_rows(path, reader, columns, [] if written.header else [first]))


def _csv_rows(path: Path, reader: Any, columns: Sequence[str], first: list[list[str]]) -> Iterator[Row]:
    try:
        for source in (first, reader):
            for cells in source:
                if cells:
                    values = [None if cell.strip().lower() in MISSING else cell for cell in cells]
                    yield Row(dict(zip(columns, values, strict=False)), len(cells) > len(columns))
    except csv.Error as exc:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({exc}); correct the file") from exc


def _parquet(path: Path, content: bytes) -> Table:
    try:
        import pyarrow as pa  # noqa: PLC0415  # a fifth of a second, and CSV does without
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as exc:
        raise DataError(f"{path}: Parquet is read by pyarrow; install it, or give --data a CSV file") from exc
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        columns = tuple(file.schema_arrow.names)
    except (pa.ArrowException, *_UNREADABLE) as exc:
        raise _unreadable(path) from exc
    return Table(path, content, columns, True, _parquet_rows(path, file, pa.ArrowException))


_UNREADABLE = (OSError, ValueError, OverflowError)
"""What pyarrow raises beside its own: texts that are no UTF-8, days that Python has no date for."""


def _parquet_rows(path: Path, file: Any, invalid: type[Exception]) -> Iterator[Row]:
    try:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                yield Row({name: _plain(value) for name, value in row.items()})
    except (invalid, *_UNREADABLE) as exc:  # a damaged page is found when its turn comes
        raise _unreadable(path) from exc


def _unreadable(path: Path) -> DataError:
    return DataError(f"{path}: is no readable Parquet file; write it again")


def _plain(value: Any) -> Cell:
    """A Parquet value as a JSON document would have it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, int | float) else str(value)
