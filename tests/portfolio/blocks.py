"""Tables in pieces, for those who take them so."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from portfolio.reading.reading import Block


def blocks_of(whole: pa.Table, rows: int = 400) -> Iterator[Block]:
    """A table in pieces, as a reader brings it."""
    for first in range(0, whole.num_rows, rows):
        table = whole.slice(first, rows)
        yield Block(table, pa.array(range(first, first + table.num_rows)), ())


def with_grades(whole: pa.Table, grades: list[str]) -> pa.Table:
    """Another value in one column."""
    return whole.set_column(whole.schema.get_field_index("loan_grade"), "loan_grade", pa.array(grades))
