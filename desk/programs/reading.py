"""A program that reads a file into applications, as the contract's file form and the portfolio read one.

`python -m desk.programs.reading FOLDER MOST_ROWS MOST_BYTES` leaves parts in FOLDER/parts, each one line of row numbers
and one of a JSON list, and tells columns first, then rows, then misfits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desk.jobs.batch import CONTRACT, MISFITS
from desk.jobs.job import INPUT, PARTS
from desk.programs.limits import run, tell
from portfolio.errors import UnreadableInputError
from preprocessing.contract import Contract, read_contract
from preprocessing.fields import Ratio, Reference

if TYPE_CHECKING:
    import pyarrow as pa

    from portfolio.columnar.layout import Layout

PART_ROWS = 100_000
"""Of the portfolio's own parts."""

MOST_ROWS = 200_000
"""Of a file; for more there is `python -m portfolio`."""

MOST_TOLD, LONGEST_TOLD = 40, 100
"""Columns that are named, and characters of each name."""

MOST_BYTES = 512 << 20
"""Of all that is made of a file: one of a few kilobytes can hold any number of long texts."""

_WHOLE = 2.0**53


def main(folder: Path, arguments: list[str]) -> None:
    """Read FOLDER/input."""
    from portfolio.columnar.layout import lay_out  # noqa: PLC0415  # only the program leans on Arrow
    from portfolio.reading.opening import open_source  # noqa: PLC0415
    from portfolio.reading.reading import blocks_of  # noqa: PLC0415

    contract = read_contract((folder / CONTRACT).read_bytes())
    found: list[Layout] = []

    def wanted(schema: pa.Schema, text: bool) -> list[str]:
        layout = lay_out(contract, schema, text=text)
        found.append(layout)
        columns = dict.fromkeys(layout.columns.values())
        others = [name for name in schema.names if name not in columns]
        tell(
            columns=matched(contract, layout.columns),
            others=[name[:LONGEST_TOLD] for name in others[:MOST_TOLD]],
            left_out=len(others),
        )
        return list(columns)

    source, parts = open_source(folder / INPUT, contract.file, wanted, PART_ROWS)
    if source.rows > MOST_ROWS:
        raise UnreadableInputError(
            f"the file has {source.rows:,} rows, and {MOST_ROWS:,} are as many as are decided here; score it by "
            "`python -m portfolio`, or part it"
        )
    if not source.rows:
        raise UnreadableInputError("the file has no rows; choose one that has")
    writer = _Parts(folder / PARTS, *map(int, arguments))
    misfits: list[tuple[int, str | None, str]] = []
    for part in parts:
        for block in blocks_of(source, part, writer.most_rows):
            misfits += block.misfits
            writer.add(block.rows.to_pylist(), list(_documents(found[0], block.table)))
            tell(read=block.size)
    writer.close()
    (folder / MISFITS).write_text(json.dumps(misfits), encoding="utf-8")
    tell(total=source.rows, parts=writer.number)


def matched(contract: Contract, columns: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Each field and the column that it is read from; None where the file has none, and may have none."""
    may_lack = [field.name for field in contract.fields if isinstance(field, Ratio | Reference)]
    return [
        (field.name, columns.get(field.name))
        for field in contract.fields
        if field.name in columns or field.name in may_lack
    ]


class _Parts:
    """Writes parts that are a request each."""

    def __init__(self, folder: Path, most_rows: int, most_bytes: int) -> None:
        folder.mkdir()
        self._folder, self.most_rows, self._most_bytes = folder, most_rows, most_bytes
        self._rows: list[int] = []
        self._texts: list[bytes] = []
        self._size = 2
        self._written = 0
        self.number = 0

    def add(self, rows: Sequence[int], documents: Sequence[dict[str, Any]]) -> None:
        for row, document in zip(rows, documents, strict=True):
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            if len(self._rows) == self.most_rows or (self._rows and self._size + len(text) >= self._most_bytes):
                self.close()
            self._rows.append(row)
            self._texts.append(text)
            self._size += len(text) + 1

    def close(self) -> None:
        """The last one."""
        if self._rows:
            content = json.dumps(self._rows).encode() + b"\n[" + b",".join(self._texts) + b"]"
            self._written += len(content)
            if self._written > MOST_BYTES:
                raise UnreadableInputError(
                    f"the file's rows take more than {MOST_BYTES >> 20} MiB; leave out what is too long for its field, "
                    "or part the file"
                )
            (self._folder / str(self.number)).write_bytes(content)
            self.number += 1
            self._rows, self._texts, self._size = [], [], 2


def _documents(layout: Layout, table: pa.Table) -> Iterator[dict[str, Any]]:
    """Each row as the application that a program would send."""
    import pyarrow as pa  # noqa: PLC0415

    rows = pa.array(range(table.num_rows), pa.int64())
    cells = {field: [_stated(value) for value in cells.taken(rows)] for field, cells in layout.cells(table).items()}
    for values in zip(*cells.values(), strict=True):
        yield {field: value for field, value in zip(cells, values, strict=True) if value is not None}


def _stated(value: Any) -> Any:
    """A cell as JSON states it: 30.0 is 30, and what is no number stays what the contract refuses."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return str(value)
    return int(value) if value.is_integer() and abs(value) < _WHOLE else value


if __name__ == "__main__":
    run(main)
