"""A part's rows in blocks, with their numbers in the whole input, and the rows that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from portfolio.reading import parquet, text
from portfolio.reading.blocks import in_blocks
from portfolio.reading.source import InputFile, Source
from portfolio.reading.spans import Part, Span
from portfolio.reading.text import Misfit

_ROW = "\0row"
"""A column that no file has: pyarrow's names of columns hold no NUL where they come from Parquet or CSV."""


class Block(NamedTuple):
    """Some rows.

    Attributes:
        table: the columns that are wanted.
        rows: the number of each in the whole input, rising.
        misfits: rows that are none, up to the last of these; counted likewise.
    """

    table: pa.Table
    rows: pa.Array
    misfits: tuple[Misfit, ...]

    @property
    def size(self) -> int:
        """Of all rows."""
        return len(self.rows) + len(self.misfits)


def blocks_of(source: Source, part: Part, rows: int) -> Iterator[Block]:
    """A part's rows.

    Args:
        source: the files.
        part: of them.
        rows: of a block, but for the last.

    Raises:
        InputChangedError: somebody has written to a file.
        UnreadableInputError: rows can't be read.
    """
    misfits: list[Misfit] = []
    for table in in_blocks(_tables(source, part, misfits), rows):
        numbers = table.column(_ROW).combine_chunks()
        last = numbers[-1].as_py()
        before = sum(misfit.row <= last for misfit in misfits)
        yield Block(table.drop_columns([_ROW]), numbers, tuple(misfits[:before]))
        del misfits[:before]
    if misfits or not part.spans:
        yield Block(source.schema.empty_table(), pa.array([], pa.int64()), tuple(misfits))


def _tables(source: Source, part: Part, misfits: list[Misfit]) -> Iterator[pa.Table]:
    """Tables with their rows' numbers; adds to `misfits`, in order of rows, what comes before each table's end."""
    first_row = part.first_row
    for span in part.spans:
        file = source.files[span.file]
        file.check_unchanged()
        for table, numbers, more in _of_span(source, file, span):
            misfits += sorted(misfit._replace(row=first_row + misfit.row) for misfit in more)
            table = _completed(table, source.schema, file)  # noqa: PLW2901  # the same rows
            yield table.append_column(_ROW, pa.array(np.asarray(numbers) + first_row))
        file.check_unchanged()
        first_row += span.rows


def _of_span(source: Source, file: InputFile, span: Span) -> Iterator[tuple[pa.Table, pa.Array, list[Misfit]]]:
    folders = dict(file.partition)
    columns = [name for name in source.schema.names if name not in folders]
    if source.form is not None:
        yield from text.read(file.path, span, source.form, columns)
        return
    row = 0
    for table in parquet.read(file.path, span, columns):
        yield table, np.arange(row, row + table.num_rows), []
        row += table.num_rows


def _completed(table: pa.Table, schema: pa.Schema, file: InputFile) -> pa.Table:
    """With the columns of the folders' names, and all in the order of the schema."""
    folders = dict(file.partition)
    columns = [
        pa.repeat(pa.scalar(folders[field.name], field.type), table.num_rows)
        if field.name in folders
        else table.column(field.name)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
