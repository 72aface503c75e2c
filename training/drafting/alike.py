"""Rows that look like one applicant's: they agree on more than chance explains, and leak across a random split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from training.drafting.columns import Column

_MOST_VALUES = 100
_TIMES_CHANCE = 3.0
_LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Alike:
    """Rows that agree with another one.

    Attributes:
        columns: in which they agree.
        rows: how many do.
        by_chance: how many would, were the columns independent.
        labels: the share of their labels that are their group's most frequent one.
        default_rate: among them.
    """

    columns: tuple[str, ...]
    rows: int
    by_chance: float
    labels: float
    default_rate: float


def alike(columns: Sequence[Column]) -> Alike | None:
    """Rows that agree in all columns of few values; None where chance explains them."""
    few = [column for column in columns if 2 < column.distinct <= _MOST_VALUES]
    if len(few) < 2 or not few[0].labels:
        return None
    labels = few[0].labels
    pairs = len(labels) - 1.0
    for column in few:
        pairs *= sum((count / len(labels)) ** 2 for count in Counter(column.cells).values())
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(tuple(column.cells[row] for column in few), []).append(label)
    shared = [group for group in groups.values() if len(group) > 1]
    rows, by_chance = sum(map(len, shared)), min(1.0, pairs) * len(labels)
    if rows < max(_LEAST_SHARE * len(labels), _TIMES_CHANCE * by_chance):
        return None
    most = sum(max(sum(group), len(group) - sum(group)) for group in shared)
    return Alike(tuple(column.name for column in few), rows, by_chance, most / rows, sum(map(sum, shared)) / rows)
