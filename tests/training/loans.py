"""Invented past loans: the applications of `tests.applications`, each with an outcome drawn from a risk of its own."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.applications import CONTRACT, FIELDS, portfolio

LABEL = CONTRACT.label.column
Row = dict[str, Any]
WriteCsv = Callable[..., Path]
COLUMNS = (*FIELDS, LABEL)


def past_loans(count: int = 400, seed: int = 7) -> list[Row]:
    """Loans whose risk rises with the ratio and the grade; a value of None is written as an empty cell."""
    rng = random.Random(seed)
    return [application | {LABEL: int(rng.random() < _risk(application))} for application in portfolio(count, seed)]


def csv_text(rows: Iterable[Row], columns: Iterable[str] = COLUMNS) -> str:
    """The rows as CSV with a header; other keys of a row are left out."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _risk(application: Row) -> float:
    ratio = application["loan_amnt"] / application["person_income"]
    return 1 / (1 + math.exp(3 - 6 * ratio - "ABCDEFG".index(application["loan_grade"])))
