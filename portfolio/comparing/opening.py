"""The input of a comparison: the columns that it needs, of a file or folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from portfolio.assessor import Assessor
from portfolio.columnar.layout import lay_out
from portfolio.comparing.borrowing import Assumptions
from portfolio.comparing.changed import check_columns
from portfolio.reading.opening import Opened, open_source

PART_ROWS = 100_000


def open_portfolio(
    path: Path, a: Assessor, b: Assessor, by: Assumptions | None = None, *, whole: bool = False
) -> Opened:
    """Open an input that both read.

    Args:
        path: of a file or folder.
        a: a model and policy; CSV is written as its contract says.
        b: another.
        by: what a loan brings; None where profit isn't asked for.
        whole: with all columns, for the changed applications.

    Raises:
        UnreadableInputError: files can't be read, or don't belong together.
        UnfitInputError: columns can't be used.
    """

    def wanted(schema: pa.Schema, text: bool) -> list[str]:
        fields = [
            column for side in (a, b) for column in lay_out(side.contract, schema, text=text).columns.values()
        ]  # fmt: skip
        if by is not None:
            by.check(schema, a.contract)
        if whole:
            check_columns(schema)
            return list(schema.names)
        label = [a.contract.label.column] if a.contract.label.column in schema.names else []
        return list(dict.fromkeys([*fields, *label, *(by.columns if by else ())]))

    return open_source(path, a.contract.file, wanted, PART_ROWS)
