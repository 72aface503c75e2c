"""What is read: files with their digests, rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from portfolio.errors import InputChangedError, UnreadableInputError

Kind = Literal["parquet", "csv"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes where somebody writes to a file.

    Attributes:
        size: bytes.
        modified: nanoseconds since 1970.
    """

    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file.

    Attributes:
        name: in the folder, or its own where it is the input itself.
        path: where it is.
        stamp: as it was before its digest was made.
        sha256: of its bytes, hexadecimal.
        rows: that it has.
        partition: what its folders' names say, in order.
    """

    name: str
    path: Path
    stamp: Stamp
    sha256: str
    rows: int
    partition: tuple[tuple[str, str | int | None], ...] = ()

    def check_unchanged(self) -> None:
        """Check that nobody has written to it.

        Raises:
            InputChangedError: somebody has.
        """
        if stamp_of(self.path) != self.stamp:
            raise InputChangedError(
                f"{self.path}: has changed since the work on it began; leave the input as it is until the end, or "
                "score it anew into another folder"
            )


@dataclass(frozen=True)
class CSVForm:
    """How the files are written, where they are CSV.

    Attributes:
        delimiter: between cells.
        encoding: of the text.
        columns: of a file, in order.
    """

    delimiter: str
    encoding: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """All files of an input, in the order of their rows.

    Attributes:
        kind: how they are written.
        files: in order.
        schema: the columns that are wanted, those that folders' names make last; texts where the files are CSV.
        form: of CSV.
    """

    kind: Kind
    files: tuple[InputFile, ...]
    schema: pa.Schema
    form: CSVForm | None = None

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(file.rows for file in self.files)

    def check_unchanged(self) -> None:
        """Check that nobody has written to any file.

        Raises:
            InputChangedError: somebody has.
        """
        for file in self.files:
            file.check_unchanged()


def stamp_of(path: Path) -> Stamp:
    """The stamp that a file has now.

    Raises:
        UnreadableInputError: it isn't there.
    """
    try:
        found = path.stat()
    except OSError as exc:
        raise UnreadableInputError(f"{path}: can't be read ({exc.strerror}); name what can") from None
    return Stamp(found.st_size, found.st_mtime_ns)
