"""What a part is of the files: as many rows as any other, the last fewer; where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of one file that follow one another.

    Attributes:
        file: its place among the files.
        start: the first, counted in this file from 0.
        rows: how many.
        offset: where the first begins, in bytes; 0 where the file itself can tell.
        size: of all, in bytes; the same.
    """

    file: int
    start: int
    rows: int
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker does at a time.

    Attributes:
        number: from 0.
        first_row: of the whole input.
        spans: where its rows are.
    """

    number: int
    first_row: int
    spans: tuple[Span, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return sum(span.rows for span in self.spans)


def parts_of(spans: Iterator[Span] | Sequence[Span], rows: int) -> Iterator[Part]:
    """Spans, none of which reaches over a part's end, as parts; an input without rows is one part without.

    Args:
        spans: in order.
        rows: of a part.
    """
    number = first = held = 0
    part: list[Span] = []
    for span in spans:
        part.append(span)
        held += span.rows
        if held == rows:
            yield Part(number, first, tuple(part))
            number, first, held, part = number + 1, first + held, 0, []
    if part or not number:
        yield Part(number, first, tuple(part))


def cut(file: int, file_rows: int, first_row: int, rows: int) -> Iterator[Span]:
    """The spans of a file whose rows can be told by their numbers.

    Args:
        file: its place.
        file_rows: of the file.
        first_row: of the file, in the whole input.
        rows: of a part.
    """
    start = 0
    while start < file_rows:
        end = min(file_rows, start + rows - (first_row + start) % rows)
        yield Span(file, start, end - start)
        start = end
