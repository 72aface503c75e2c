"""Markdown's tables, numbers and escapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from training.evaluation import Spread
from training.report.resampling import Estimate


def cell(text: str) -> str:
    """A text as it stands, in a table or out of one: no letter of a contract's becomes markup."""
    for letter in "\\`*[]|":
        text = text.replace(letter, f"\\{letter}")
    return escape(text, quote=False)


def code(text: str) -> str:
    """A text as code; in a table, a bar would end its cell."""
    return f"`{text.replace('|', chr(0x2223)).replace('`', chr(0x2BC))}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """A table whose first columns are texts, and the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(header) - texts)
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])


def folded(summary: str, text: str) -> str:
    """What most readers skip, behind one line."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def estimate(value: Estimate, digits: int = 4) -> str:
    """A figure with its interval."""
    if math.isnan(value.value):
        return "one label only"
    if math.isnan(value.low):
        return number(value.value, digits)
    return f"{number(value.value, digits)} [{number(value.low, digits)}, {number(value.high, digits)}]"


def difference(value: Estimate, digits: int = 4) -> str:
    """A difference with its interval."""
    ends = f"{signed(value.low, digits)}, {signed(value.high, digits)}"
    return signed(value.value, digits) if math.isnan(value.low) else f"{signed(value.value, digits)} [{ends}]"


def number(value: float, digits: int = 4) -> str:
    """A number, without the minus that rounding leaves before a 0."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def spread(value: Spread) -> str:
    """A mean over folds, and how much they differ."""
    return f"{value.mean:.4f} ± {value.sd:.4f}"


def signed(value: float, digits: int = 4) -> str:
    """A difference."""
    text = f"{value:+.{digits}f}"
    return number(value, digits) if float(text) == 0 else text


def percent(value: float) -> str:
    """A share."""
    return f"{value:.1%}"
