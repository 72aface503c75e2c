"""Rows of Parquet: what is wanted of a row group, a batch at a time, so that memory doesn't grow with the group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from portfolio.errors import UnreadableInputError
from portfolio.reading.spans import Span

BATCH = 8192
"""Rows that are decoded at a time."""

BUFFER = 1 << 20
"""Bytes of a column that are read at a time. Without it a whole column of a row group is held."""

_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError)


def describe(path: Path) -> tuple[pa.Schema, int]:
    """A file's columns and how many rows it has.

    Raises:
        UnreadableInputError: it is no Parquet.
    """
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow.remove_metadata(), file.metadata.num_rows
    except _UNREADABLE:
        raise _unreadable(path) from None


def read(path: Path, span: Span, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a span.

    Raises:
        UnreadableInputError: a page is damaged.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as file:
            groups, before = _groups(file.metadata, span)
            start, left = span.start - before, span.rows
            for batch in file.iter_batches(BATCH, row_groups=groups, columns=list(columns), use_threads=False):
                rows = batch.num_rows
                if start < rows:
                    taken = batch.slice(start, left)
                    yield pa.Table.from_batches([taken]).replace_schema_metadata()
                    left -= taken.num_rows
                    if not left:
                        return
                start = max(0, start - rows)
    except _UNREADABLE:
        raise _unreadable(path) from None
    raise _unreadable(path)


def _groups(metadata: pq.FileMetaData, span: Span) -> tuple[list[int], int]:
    """The row groups that hold a span, and the rows before them."""
    found: list[int] = []
    first = before = 0
    for i in range(metadata.num_row_groups):
        end = first + metadata.row_group(i).num_rows
        if first < span.start + span.rows and end > span.start:
            found.append(i)
        elif not found:
            before = end
        first = end
    return found, before


def _unreadable(path: Path) -> UnreadableInputError:
    return UnreadableInputError(f"{path}: is no readable Parquet file; write it again")
