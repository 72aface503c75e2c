"""The files of a batch's results, as CSV that spreadsheets open and nobody's cells can use."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

RESULTS, ERRORS = "results.csv", "errors.csv"

COLUMNS = (
    "row",
    "reference",
    "decision",
    "probability_of_default",
    "credit_score",
    "reasons",
    "outside_training_range",
    "decision_id",
    "model_version",
    "policy_version",
)

_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""By which a spreadsheet takes a text for a formula, or for the end of one; also as East Asian keyboards write them."""

_MARK = "\ufeff"
"""Without which some spreadsheets read no UTF-8."""


class Error(NamedTuple):
    """What is wrong with a field of a row.

    Attributes:
        row: of the file, counted from 0.
        field: of the contract; empty where it is the row.
        problem: in the service's words, which quote no value.
    """

    row: int
    field: str
    problem: str


def harmless(text: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    return f"'{text}" if text.startswith(_BEGINS) or text.lstrip(" ").startswith(_BEGINS) else text


class Results:
    """Writes them, row by row.

    Args:
        folder: where to.
    """

    def __init__(self, folder: Path) -> None:
        self._results, self._errors = folder / RESULTS, folder / ERRORS
        _write(self._results, "w", [COLUMNS])
        _write(self._errors, "w", [("row", "field", "problem")])

    def add(self, decided: Sequence[tuple[int, Mapping[str, Any]]], errors: Sequence[Error]) -> None:
        """Some rows' answers, and what is wrong with others."""
        _write(self._results, "a", (_cells(row, answer) for row, answer in decided))
        _write(self._errors, "a", ((str(row + 1), harmless(name), harmless(said)) for row, name, said in errors))


def _cells(row: int, answer: Mapping[str, Any]) -> list[str]:
    given = {
        **answer,
        "row": row + 1,
        "reasons": " ".join(reason["code"] for reason in answer.get("reasons", ())),
        "outside_training_range": " ".join(answer.get("outside_training_range", ())),
    }
    values = [given.get(column) for column in COLUMNS]
    return ["" if value is None else harmless(value) if isinstance(value, str) else str(value) for value in values]


def _write(path: Path, mode: str, rows: Iterable[Sequence[str]]) -> None:
    with path.open(mode, encoding="utf-8", newline="") as file:
        if mode == "w":
            file.write(_MARK)
        csv.writer(file).writerows(rows)
