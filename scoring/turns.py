"""From features to the turns at all splits of an ensemble, left or right, by looking them up.

A split sends an application to the right where its feature exceeds a threshold. The turns at all splits of a tree,
whether or not the application comes by them, are the bits of one word. Between two neighbouring thresholds of a feature
they stay the same, so a table can hold the turns of all trees for each of its intervals, and an application's turns are
one row of each table, put together by OR. The idea is that of QuickScorer (Lucchese et al. 2015), which keeps the
leaves that are left; turns serve the attributions too. Features with few thresholds, flags above all, share a table
with a row for each combination of their intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Turns = NDArray[np.unsignedinteger]
"""The turns in one tree each, 1 to the right. Bit i is split i's: the root is 1, below i come 2i and, right, 2i + 1."""

JOINT_ROWS = 256
"""Most rows of a table that features share: half a megabyte for a thousand trees of depth 4."""

ROWS_COMPARED_AT_ONCE = 32
"""Each row needs some eighty bytes for each tree of depth 4 on its way."""

_ALL = slice(None)


class Intervals(NamedTuple):
    """The turns that depend on one feature.

    Attributes:
        feature: its column.
        edges: its thresholds as the greatest float32 that does not exceed them, rising; no float32 tells more apart.
        turns: of all trees for each interval between them, shape (len(edges) + 1, trees).
    """

    feature: int
    edges: NDArray[np.float32]
    turns: Turns

    @classmethod
    def of(cls, feature: int, thresholds: NDArray[np.float64], turns: Turns) -> Self:
        """From thresholds that rise, and the turns of the intervals between them."""
        edges = _edges(thresholds)
        last = np.append(edges[1:] != edges[:-1], True)  # of thresholds that no float32 lies between
        return cls(feature, edges[last], np.concatenate([turns[:1], turns[1:][last]]))


class TurnTables:
    """All tables of an ensemble.

    Attributes:
        tables: turns, shape (rows, trees) each; those of an application are one row of each, put together by OR.
        first_rows: where each table begins if they stand one below the other, shape (tables,).

    Args:
        features: number of columns.
        intervals: of each feature that splits.
        no_turns: the turns of a model without a split, shape (trees,).
    """

    def __init__(self, features: int, intervals: Iterable[Intervals], no_turns: Turns) -> None:
        groups = _share_tables(sorted(intervals, key=lambda each: len(each.edges))) or [[]]
        self.tables: list[Turns] = []
        self._offsets = np.arange(features) << 32
        # The number of an interval within a feature, times its stride in the table, adds up to the table's row.
        self._strides = np.zeros((features, len(groups)), dtype=np.int64)
        keys, first, starts = [np.empty(0, dtype=np.int64)], 0, np.zeros(features, dtype=np.int64)
        for feature, edges, _ in sorted(each for group in groups for each in group):
            starts[feature] = first
            keys.append(_ordered(edges) + self._offsets[feature])
            first += len(edges)
        self._keys = np.concatenate(keys)
        for number, group in enumerate(groups):
            table, stride = no_turns[np.newaxis], 1
            for feature, edges, turns in group:
                self._strides[feature, number] = stride
                stride *= len(edges) + 1
                table = (turns[:, np.newaxis] | table).reshape(stride, -1)
            self.tables.append(table)
        self.first_rows = np.cumsum([0, *map(len, self.tables[:-1])])
        self._row_zero = starts @ self._strides

    def rows(self, matrix: NDArray[np.float32], features: slice | NDArray[np.intp] = _ALL) -> NDArray[np.int64]:
        """Features, float32 without NaN, shape (n, k), to a row of each table, shape (n, tables).

        What each feature contributes adds up, so that of some features the rows lack what the others would add.

        Args:
            matrix: of these features, shape (n, len(features)).
            features: which of them; all unless given.
        """
        return self.rows_of(self.intervals(matrix, features), features)

    def intervals(self, matrix: NDArray[np.float32], features: slice | NDArray[np.intp] = _ALL) -> NDArray[np.int64]:
        """The interval that each feature lies in, numbered through all of them, shape (n, k); else as `rows`."""
        return self._keys.searchsorted(_ordered(matrix) + self._offsets[features])

    def rows_of(self, intervals: NDArray[np.int64], features: slice | NDArray[np.intp] = _ALL) -> NDArray[np.int64]:
        """A row of each table, shape (n, tables), for intervals, shape (n, len(features))."""
        rows: NDArray[np.int64] = intervals.dot(self._strides[features])
        rows -= self._row_zero
        return rows

    def turns(self, rows: NDArray[np.int64]) -> Turns:
        """A row of each table, shape (n, tables), to turns, shape (n, trees)."""
        turns = self.tables[0].take(rows[:, 0], axis=0)
        for number, table in enumerate(self.tables[1:], 1):
            turns |= table.take(rows[:, number], axis=0)
        return turns


def _share_tables(intervals: Sequence[Intervals]) -> list[list[Intervals]]:
    """Neighbours together as long as their table stays small."""
    groups: list[list[Intervals]] = []
    rows = inf  # there is no table yet
    for each in intervals:
        of_feature = len(each.edges) + 1
        rows *= of_feature
        if rows > JOINT_ROWS:
            groups.append([])
            rows = of_feature
        groups[-1].append(each)
    return groups


_ZERO = np.array(0, dtype=np.float32)  # arrays, which no operation has to make of numbers
_BITS_BELOW_SIGN, _BELOW_SIGN = (np.array(each, dtype=np.int32) for each in (31, 0x7FFFFFFF))


def _ordered(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Integers in the same order; -0.0 and 0.0 are one."""
    bits = (values + _ZERO).view(np.int32)
    ordered: NDArray[np.int32] = bits ^ (bits >> _BITS_BELOW_SIGN & _BELOW_SIGN)
    return ordered


class Comparisons:
    """The same turns by comparing at each split: where many features split, tables for all would not fit.

    Args:
        feature: of each split, by its tree and number, shape (trees, slots); any where there is none.
        threshold: the same, infinite where there is none.
        word: type of a tree's turns, of as many bits as there are slots, or 8 for fewer.
    """

    def __init__(
        self, feature: NDArray[np.intp], threshold: NDArray[np.float64], word: np.dtype[np.unsignedinteger]
    ) -> None:
        self._word = word
        self._feature = feature
        self._edges = _edges(threshold)

    def turns(self, matrix: NDArray[np.float32]) -> Turns:
        """Features, float32 without NaN, shape (n, k), to turns, shape (n, trees)."""
        turns = np.empty((len(matrix), len(self._feature)), dtype=self._word)
        for start in range(0, len(matrix), ROWS_COMPARED_AT_ONCE):
            rows = matrix[start : start + ROWS_COMPARED_AT_ONCE]
            exceeds = rows[:, self._feature] > self._edges
            packed = np.packbits(exceeds, axis=-1, bitorder="little")
            turns[start : start + ROWS_COMPARED_AT_ONCE] = packed.view(self._word.newbyteorder("<")).squeeze(axis=-1)
        return turns


def _edges(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The greatest float32 that does not exceed each threshold."""
    edges = thresholds.astype(np.float32)
    return np.where(edges > thresholds, np.nextafter(edges, np.float32(-np.inf)), edges)
