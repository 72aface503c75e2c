"""Figures as text, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from records.figures.statistics import Estimate

UNKNOWN = "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line each; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()


def number(value: float, *, signed: bool = False) -> str:
    """A figure."""
    return UNKNOWN if math.isnan(value) else f"{value:{'+' if signed else ''}.4f}"


def estimate(value: Estimate, *, signed: bool = False) -> str:
    """A figure with its interval."""
    if math.isnan(value.value):
        return UNKNOWN
    middle, low, high = (number(each, signed=signed) for each in value)
    return f"{middle} [{low}, {high}]"


def percent(value: Estimate, *, signed: bool = False) -> str:
    """A share with its interval."""
    if math.isnan(value.value):
        return UNKNOWN
    middle, low, high = (f"{each:{'+' if signed else ''}.2%}" for each in value)
    return f"{middle} [{low}, {high}]"
