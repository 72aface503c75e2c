"""Where the records of a CSV file begin, found while its digest is made.

A line's end within quotes ends no record; an empty line is none, unless there is one column only, of which it is a
missing value.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.errors import UnreadableInputError
from portfolio.reading.spans import Span

BLOCK = 1 << 22
"""Bytes that are looked at at a time."""

_MOST_HEADER = 1 << 20

_BOMS = {"utf-8": (codecs.BOM_UTF8, "utf-8"), "utf-16": (codecs.BOM_UTF16_LE, "utf-16-le")}
"""What may stand before a file's text, and what it says of the encoding."""

QUOTE, LINE_FEED, RETURN = 34, 10, 13


class Text(NamedTuple):
    """How a file's text is to be read.

    Attributes:
        columns: their names.
        encoding: such that any piece of the file can be decoded.
        start: where the records begin, in bytes.
    """

    columns: tuple[str, ...]
    encoding: str
    start: int

    @property
    def width(self) -> int:
        """Bytes of what stands for a quote or a line's end."""
        return 2 if self.encoding.startswith("utf-16") else 1


class Scanned(NamedTuple):
    """What is found in a file.

    Attributes:
        sha256: of all its bytes.
        rows: its records.
        spans: none of which reaches over a part's end.
    """

    sha256: str
    rows: int
    spans: list[Span]


def read_header(path: Path, delimiter: str, encoding: str, *, header: bool) -> Text:
    """Columns and encoding of a file.

    Raises:
        UnreadableInputError: it can't be read, or has no text of this encoding at its beginning.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(_MOST_HEADER)
    except OSError as exc:
        raise UnreadableInputError(f"{path}: can't be read ({exc.strerror}); name what can") from None
    if encoding == "utf-16" and begins.startswith(codecs.BOM_UTF16_BE):
        encoding, start = "utf-16-be", 2
    else:
        mark, encoding = _BOMS.get(encoding, (b"", encoding))
        start = len(mark) if mark and begins.startswith(mark) else 0
    text = codecs.getincrementaldecoder(encoding)("replace").decode(begins[start:])
    lines = io.StringIO(text, newline="")
    try:
        # Behind empty lines, as the records themselves may stand.
        cells = next((cells for cells in csv.reader(_counted(lines), delimiter=delimiter, strict=True) if cells), [])
    except csv.Error as exc:
        raise UnreadableInputError(
            f"{path}: its first line is not CSV ({exc}); name a file of Parquet or CSV"
        ) from None
    if not header:
        return Text(tuple(f"column_{i}" for i, _ in enumerate(cells, 1)), encoding, start)
    if len(lines.getvalue()) >= _MOST_HEADER and lines.tell() == len(text):
        raise UnreadableInputError(f"{path}: its first line has no end; name a file of Parquet or CSV")
    return Text(tuple(cells), encoding, start + len(text[: lines.tell()].encode(encoding)))


def _counted(lines: io.StringIO) -> Iterator[str]:
    # Not the file's own iteration, under which it can't tell how far it has come.
    while line := lines.readline():
        yield line


def scan(path: Path, text: Text, file: int, first_row: int, rows: int) -> Scanned:
    """Make the digest of a file, and find where its records begin.

    Args:
        path: of the file.
        text: how it is to be read.
        file: its place among the files.
        first_row: of the file, in the whole input.
        rows: of a part.

    Raises:
        UnreadableInputError: a quote has no end.
    """
    digest, finder = hashlib.sha256(), _Finder(text, first_row, rows)
    with path.open("rb") as stream:
        digest.update(stream.read(text.start))
        while block := stream.read(BLOCK):
            digest.update(block)
            finder.feed(block)
    found = finder.finish()
    if finder.quoted:
        raise UnreadableInputError(
            f"{path}: a quotation mark that opens a cell has none that closes it; correct the file, or write Parquet"
        )
    ends = [*found[1:], (finder.records, finder.position)]
    spans = [
        Span(file, start, end - start, offset, behind - offset)
        for (start, offset), (end, behind) in zip(found, ends, strict=True)
        if end > start
    ]
    return Scanned(digest.hexdigest(), finder.records, spans)


class _Finder:
    """Goes through a file's bytes, and remembers where parts begin."""

    def __init__(self, text: Text, first_row: int, rows: int) -> None:
        self._text, self._first, self._rows = text, first_row, rows
        self._empty_count = len(text.columns) == 1
        self._held = b""
        self._line = text.start  # where the last line begins
        self._begins = [(0, text.start)]
        self.position = text.start
        self.records = 0
        self.quoted = False

    def feed(self, block: bytes) -> None:
        """Go through what comes next."""
        block = self._held + block
        width = self._text.width
        # What a return is depends on what follows it.
        keep = len(block) - len(block) % width
        if _last(block[:keep], self._text) == RETURN:
            keep -= width
        self._held, block = block[keep:], block[:keep]
        units = _units(block, self._text)
        following = _units(self._held[:width], self._text) if len(self._held) >= width else units[:0]
        self._lines(units, following)
        self.position += len(block)

    def finish(self) -> list[tuple[int, int]]:
        """The last line, which may have no end; where parts begin: the record, and the byte."""
        units = _units(self._held, self._text)
        self._lines(units, units[:0])
        self.position += len(self._held)
        self._held = b""
        if self.position > self._line:
            self._add(np.array([self.position]), np.array([False]))
        return self._begins

    def _lines(self, units: NDArray[np.integer], following: NDArray[np.integer]) -> None:
        quotes = units == QUOTE
        inside = (np.cumsum(quotes) + self.quoted) & 1
        if len(inside):
            self.quoted = bool(inside[-1])
        fed = units == LINE_FEED
        returned = units == RETURN
        followed = np.append(fed[1:], len(following) > 0 and following[0] == LINE_FEED)[: len(fed)]
        ends = np.flatnonzero((fed | (returned & ~followed)) & (inside == 0))
        if not len(ends):
            return
        width = self._text.width
        ended = self.position + (ends + 1) * width
        begun = np.concatenate(([self._line], ended[:-1]))
        lengths = (ended - begun) // width
        paired = fed[ends] & (ends > 0) & returned[np.maximum(ends - 1, 0)]
        self._add(ended, lengths == 1 + paired)

    def _add(self, ended: NDArray[np.integer], empty: NDArray[np.bool_]) -> None:
        counted = ended if self._empty_count else ended[~empty]
        before = self.records
        self.records += len(counted)
        # Where a part ends behind a record of these.
        place = self._rows - (self._first + before) % self._rows
        for i in range(place, len(counted) + 1, self._rows):
            self._begins.append((before + i, int(counted[i - 1])))
        self._line = int(ended[-1])


def _units(block: bytes, text: Text) -> NDArray[np.integer]:
    if text.width == 1:
        return np.frombuffer(block, dtype=np.uint8)
    return np.frombuffer(block[: len(block) - len(block) % 2], dtype="<u2" if text.encoding.endswith("le") else ">u2")


def _last(block: bytes, text: Text) -> int | None:
    units = _units(block[-text.width :], text)
    return int(units[-1]) if len(units) else None
