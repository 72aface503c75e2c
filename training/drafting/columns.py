"""What a column of a file holds, apart from any row."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.metrics import roc_auc_score

from preprocessing.choices import folded
from preprocessing.fields import is_day
from training.tables import Cell, number

MOSTLY = 0.9
"""A column is one of numbers where this share of its cells are, though some hold texts."""

MOST_CATEGORIES = 50
"""A text column with more spellings than that is no category."""

FEWEST_TO_COMPARE = 50
"""With fewer rows a rate says little."""

_LEADING_ZERO = re.compile(r"\s*[+-]?0[0-9]")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in the file.
        cells: of the rows whose label is known, None where one is missing.
        labels: 1 where the row's loan defaulted, as many.
        typed: whether the file itself tells numbers from texts.
    """

    name: str
    cells: Sequence[Cell]
    labels: Sequence[int]
    typed: bool

    @cached_property
    def present(self) -> list[float | str]:
        """The cells that hold something, numbers as such."""
        return [self._value(cell) for cell in self.cells if cell is not None]

    @cached_property
    def numbers(self) -> list[float]:
        """The numbers among them."""
        return [float(value) for value in self.present if not isinstance(value, str)]

    @cached_property
    def texts(self) -> list[str]:
        """The texts among them, trimmed."""
        return [value for value in self.present if isinstance(value, str)]

    @property
    def missing(self) -> float:
        """The share of cells without a value."""
        return 1 - len(self.present) / max(1, len(self.cells))

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(set(self.present))

    @property
    def numeric(self) -> bool:
        """Whether it is a column of numbers."""
        return bool(self.numbers) and len(self.numbers) >= MOSTLY * len(self.present)

    @property
    def whole(self) -> bool:
        """Whether all its numbers are whole."""
        return all(value.is_integer() for value in self.numbers)

    @cached_property
    def categories(self) -> dict[str, int]:
        """The spellings, those that differ by the case of ASCII letters under the most frequent, and how often."""
        together: dict[str, Counter[str]] = {}
        for text, count in Counter(_text(cell) for cell in self.cells if cell is not None).items():
            together.setdefault(folded(text), Counter())[text] += count
        named = {spellings.most_common(1)[0][0]: spellings.total() for spellings in together.values()}
        return dict(sorted(named.items()))

    @property
    def dates(self) -> bool:
        """Whether all its texts are days, as YYYY-MM-DD."""
        return bool(self.texts) and not self.numbers and all(map(is_day, set(self.texts)))

    @cached_property
    def auc(self) -> float:
        """How well it tells defaults from the rest all by itself: the best of its values and of their absence."""
        labels = np.array(self.labels)
        absent = np.array([cell is None for cell in self.cells])
        found = [_auc(labels, absent.astype(float))]
        if self.numeric:
            values = [self._value(cell) if cell is not None else None for cell in self.cells]
            rows = [i for i, value in enumerate(values) if isinstance(value, int | float)]
            found.append(_auc(labels[rows], np.array([float(values[i] or 0) for i in rows])))
        elif len(self.categories) <= MOST_CATEGORIES:
            texts = ["" if cell is None else _text(cell).upper() for cell in self.cells]
            total, bad = Counter(texts), Counter(text for text, label in zip(texts, self.labels, strict=True) if label)
            found.append(_auc(labels, np.array([bad[text] / total[text] for text in texts])))
        return max(found)

    @cached_property
    def defaults_if_missing(self) -> tuple[float, float] | None:
        """The default rate of rows without and with a value; None where too few tell."""
        absent = [label for cell, label in zip(self.cells, self.labels, strict=True) if cell is None]
        there = [label for cell, label in zip(self.cells, self.labels, strict=True) if cell is not None]
        if min(len(absent), len(there)) < FEWEST_TO_COMPARE:
            return None
        return sum(absent) / len(absent), sum(there) / len(there)

    def quantile(self, share: float) -> float:
        """Of the numbers."""
        return float(np.quantile(self.numbers, share))

    def _value(self, cell: float | str) -> float | str:
        if not isinstance(cell, str):
            return cell
        # A zero in front marks a code, such as a postcode, that happens to be made of digits.
        value = cell if self.typed or (_LEADING_ZERO.match(cell) and "." not in cell) else number(cell)
        return value if isinstance(value, int | float) and math.isfinite(value) else cell.strip()


def _text(cell: float | str) -> str:
    return cell.strip() if isinstance(cell, str) else f"{cell:.15g}"


def _auc(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], values: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    if len(set(labels.tolist())) < 2:
        return 0.5
    auc = float(roc_auc_score(labels, values))
    return max(auc, 1 - auc)
