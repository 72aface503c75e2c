"""Rows of CSV, every cell a text: what a text says is the contract's to judge, a row at a time.

Read by types instead, one bad cell would end the reading, or make a text of its whole column.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import csv

from portfolio.errors import UnreadableInputError
from portfolio.reading.source import CSVForm
from portfolio.reading.spans import Span

BLOCK = 1 << 20
"""Bytes that are parsed at a time."""


class Misfit(NamedTuple):
    """A row that is none.

    Attributes:
        row: counted in the span from 0.
        field: the column that is no text of the encoding; None where there are other cells than columns.
        kind: what is wrong with it.
    """

    row: int
    field: str | None
    kind: str


class Texts(NamedTuple):
    """Some rows.

    Attributes:
        table: of texts.
        rows: of each, counted in the span from 0.
        misfits: rows among and before these that are in no table.
    """

    table: pa.Table
    rows: pa.Array
    misfits: list[Misfit]


def read(path: Path, span: Span, form: CSVForm, columns: Sequence[str]) -> Iterator[Texts]:
    """The rows of a span.

    Raises:
        UnreadableInputError: they aren't as many as were counted, or a cell has no end.
    """
    left_out: list[int] = []

    def leave_out(row: csv.InvalidRow) -> str:
        left_out.append(row.number - 1)
        return "skip"

    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(column_names=list(form.columns), use_threads=False, block_size=BLOCK),
        "parse_options": csv.ParseOptions(
            delimiter=form.delimiter,
            newlines_in_values=True,
            invalid_row_handler=leave_out,
            ignore_empty_lines=len(form.columns) > 1,
        ),
        "convert_options": csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(form.columns, pa.binary()),
            include_columns=list(columns),
        ),
    }
    row = taken = 0
    try:
        with _Slice(path, span, form.encoding) as stream, csv.open_csv(stream, **options) as reader:
            for batch in reader:
                wrong = left_out[taken:]
                taken = len(left_out)
                total = batch.num_rows + len(wrong)
                rows = _without(row, total, wrong)
                row += total
                yield _texts(pa.Table.from_batches([batch]), rows, [Misfit(r, None, "cells") for r in wrong])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
        # A span of which no row has as many cells as there are columns has no batch either.
        if not (row == 0 and len(left_out) == span.rows):
            raise UnreadableInputError(
                f"{path}: row {span.start + row} or one behind it can't be read as CSV ({_told(exc)}); correct it, or "
                "write Parquet"
            ) from None
    if wrong := left_out[taken:]:
        row += len(wrong)
        empty = pa.table({name: pa.array([], pa.string()) for name in columns})
        yield Texts(empty, pa.array([], pa.int64()), [Misfit(r, None, "cells") for r in wrong])
    if row != span.rows:
        raise UnreadableInputError(
            f"{path}: of {span.rows} rows from row {span.start} on, {row} can be told apart; a quotation mark stands "
            "amid a cell: correct it, or write Parquet"
        )


def _told(exc: Exception) -> str:
    # pyarrow's own message shows the row.
    return type(exc).__name__


def _without(first: int, total: int, wrong: Sequence[int]) -> pa.Array:
    left_out = set(wrong)
    if not left_out:
        return pa.array(range(first, first + total), pa.int64())
    return pa.array([row for row in range(first, first + total) if row not in left_out], pa.int64())


def _texts(table: pa.Table, rows: pa.Array, misfits: list[Misfit]) -> Texts:
    try:
        return Texts(_cast(table), rows, misfits)
    except pa.ArrowInvalid:
        pass  # somewhere is a byte that is no text
    bad: dict[int, str] = {}
    for name in table.column_names:
        for i, cell in enumerate(table[name].to_pylist()):
            if cell is not None and not _is_text(cell):
                bad.setdefault(i, name)
    kept = pa.array([i for i in range(table.num_rows) if i not in bad], pa.int64())
    more = [Misfit(rows[i].as_py(), name, "string_unicode") for i, name in sorted(bad.items())]
    return Texts(_cast(table.take(kept)), rows.take(kept), misfits + more)


def _cast(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Slice(io.RawIOBase):
    """A piece of a file, in UTF-8 whatever the file's encoding; what is UTF-8 already is given as it is."""

    def __init__(self, path: Path, span: Span, encoding: str) -> None:
        self._file = path.open("rb")
        self._file.seek(span.offset)
        self._left = span.size
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("strict")
        self._made = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._made and self._left:
            block = self._file.read(min(self._left, max(len(buffer), 2)))
            self._left = self._left - len(block) if block else 0
            self._made = block if self._decoder is None else self._decoder.decode(block, not self._left).encode()
        count = min(len(buffer), len(self._made))
        buffer[:count] = self._made[:count]
        self._made = self._made[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
