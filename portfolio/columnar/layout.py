"""Which column of a file holds which field, and whether each can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from portfolio.columnar.casting import Cells, cast, misfit
from portfolio.errors import UnfitInputError
from preprocessing.contract import Contract
from preprocessing.documents import printable
from preprocessing.fields import Ratio, Reference

MOST_NAMED = 40
"""Columns named in a message."""


class Layout(NamedTuple):
    """Where a file has a contract's fields.

    Attributes:
        columns: each field's name to its column's; a ratio's or the reference's may be absent.
        contract: whose fields they are.
        text: whether the file tells no numbers from texts, as CSV.
    """

    columns: Mapping[str, str]
    contract: Contract
    text: bool

    def cells(self, table: pa.Table) -> dict[str, Cells]:
        """Field to the cells of a table."""
        fields = self.contract.by_name
        return {
            field: cast(table.column(column), fields[field], text=self.text) for field, column in self.columns.items()
        }


def lay_out(contract: Contract, schema: pa.Schema, *, text: bool, besides: Sequence[str] = ()) -> Layout:
    """Find each field's column: by the field's name, or in a file like the training data by its `column`.

    Args:
        contract: whose fields are looked for.
        schema: of the file; columns that are no field's are left alone.
        text: whether the file tells no numbers from texts, as CSV.
        besides: other columns that the file must have.

    Raises:
        UnfitInputError: a column is missing, there twice, or of a type that holds no such values.
    """
    names = Counter(schema.names)
    by_name = {field.name: field.name for field in contract.fields}
    by_source = {field.name: field.source for field in contract.fields}
    # A column that may be empty may not be absent: nothing tells a forgotten column from a column of gaps.
    needed = [field.name for field in contract.fields if not isinstance(field, Ratio | Reference)]
    absent_ways = [[columns[name] for name in needed if not names[columns[name]]] for columns in (by_name, by_source)]
    columns, absent = min(zip((by_name, by_source), absent_ways, strict=True), key=lambda way: len(way[1]))
    problems = [f"{printable(name)}: stands there twice; keep one" for name, count in names.items() if count > 1]
    if absent := [*absent, *(name for name in besides if not names[name])]:
        there = ", ".join(map(printable, schema.names[:MOST_NAMED])) or "none"
        problems.append(f"there is no column {', '.join(map(printable, absent))}; the columns are {there}")
    found = {field: column for field, column in columns.items() if names[column] == 1}
    for field, column in found.items():
        if (problem := misfit(contract.by_name[field], schema.field(column).type, text=text)) is not None:
            problems.append(f"{printable(column)}: {problem}")
    if problems:
        raise UnfitInputError(problems)
    return Layout(found, contract, text)
