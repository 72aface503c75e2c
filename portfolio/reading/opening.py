"""An input opened: every file's digest, rows and columns known, and cut into parts, before any row is scored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from portfolio.errors import UnfitInputError, UnreadableInputError
from portfolio.reading import delimited, parquet
from portfolio.reading.discovery import Found, Partition, discover
from portfolio.reading.source import CSVForm, InputFile, Source, stamp_of
from portfolio.reading.spans import Part, Span, cut, parts_of
from preprocessing.contract import DataFile
from preprocessing.documents import printable

Wanted = Callable[[pa.Schema, bool], Sequence[str]]
"""The columns that are wanted of a file with this schema, and whether it is of texts; raises where it can't be used."""


class Opened(NamedTuple):
    """An input.

    Attributes:
        source: its files.
        parts: what they are done in.
    """

    source: Source
    parts: tuple[Part, ...]


def open_source(path: Path, written: DataFile, wanted: Wanted, rows: int) -> Opened:
    """Look at all files of an input.

    Args:
        path: of a file or folder.
        written: how CSV is.
        wanted: checks columns.
        rows: of a part.

    Raises:
        UnreadableInputError: files can't be read, or don't belong together.
        UnfitInputError: columns can't be used.
    """
    kind, found = discover(path)
    opened = _parquet(found, wanted, rows) if kind == "parquet" else _csv(found, written, wanted, rows)
    opened.source.check_unchanged()
    return opened


def _parquet(found: Sequence[Found], wanted: Wanted, rows: int) -> Opened:
    files: list[InputFile] = []
    spans: list[Span] = []
    schemas: list[pa.Schema] = []
    first_row = 0
    for i, (name, path, partition) in enumerate(found):
        stamp = stamp_of(path)
        schema, count = parquet.describe(path)
        schemas.append(_wanted(_with_partition(schema, partition), wanted, name, text=False))
        _check_alike(schemas, found)
        files.append(InputFile(name, path, stamp, _sha256(path), count, partition))
        spans += cut(i, count, first_row, rows)
        first_row += count
    return Opened(Source("parquet", tuple(files), schemas[0]), tuple(parts_of(spans, rows)))


def _csv(found: Sequence[Found], written: DataFile, wanted: Wanted, rows: int) -> Opened:
    if not written.delimiter.isascii():
        raise UnreadableInputError(
            f"the contract's file.delimiter {printable(written.delimiter)} is no ASCII character, which CSV is not "
            "read by here; write Parquet"
        )
    files: list[InputFile] = []
    spans: list[Span] = []
    schemas: list[pa.Schema] = []
    texts: list[delimited.Text] = []
    first_row = 0
    for i, (name, path, partition) in enumerate(found):
        stamp = stamp_of(path)
        text = delimited.read_header(path, written.delimiter, written.encoding, header=written.header)
        texts.append(text)
        if (text.columns, text.encoding) != (texts[0].columns, texts[0].encoding):
            raise UnreadableInputError(f"{path}: has other columns than {found[0].path}; give all files the same")
        columns = pa.schema([(column, pa.string()) for column in text.columns])
        schemas.append(_wanted(_with_partition(columns, partition), wanted, name, text=True))
        scanned = delimited.scan(path, text, i, first_row, rows)
        files.append(InputFile(name, path, stamp, scanned.sha256, scanned.rows, partition))
        spans += scanned.spans
        first_row += scanned.rows
    form = CSVForm(written.delimiter, texts[0].encoding, texts[0].columns)
    return Opened(Source("csv", tuple(files), schemas[0], form), tuple(parts_of(spans, rows)))


def _wanted(schema: pa.Schema, wanted: Wanted, name: str, *, text: bool) -> pa.Schema:
    try:
        return pa.schema([schema.field(column) for column in wanted(schema, text)])
    except UnfitInputError as exc:
        raise UnfitInputError([f"{printable(name)}: {error}" for error in exc.errors]) from None


def _with_partition(schema: pa.Schema, partition: Partition) -> pa.Schema:
    for key, value in partition:
        schema = schema.append(pa.field(key, pa.int64() if isinstance(value, int) else pa.string()))
    return schema


def _check_alike(schemas: Sequence[pa.Schema], found: Sequence[Found]) -> None:
    first, last = schemas[0], schemas[-1]
    unlike = [
        f"{printable(found[len(schemas) - 1].name)}: {printable(a.name)} is of type {b.type}, and of type {a.type} in "
        f"{printable(found[0].name)}; write all files with one type"
        for a in first
        if (b := last.field(a.name) if a.name in last.names else a).type != a.type
    ]
    if first.names != last.names:
        other = ", ".join(printable(name) for name in sorted(set(first.names) ^ set(last.names))) or "their order"
        unlike.append(f"{printable(found[len(schemas) - 1].name)}: has other columns than {found[0].name}: {other}")
    if unlike:
        raise UnfitInputError(unlike)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
