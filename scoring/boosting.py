"""A boosted ensemble as arrays: from features to the turn at every split, and from those to log-odds.

Log-odds are those of scikit-learn bit for bit: turns follow its float64 thresholds, and trees add up in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.trees import NO_SPLIT, Trees
from scoring.turns import Comparisons, Intervals, Turns, TurnTables

MOST_IN_TABLES = 256
"""Features that split, beyond which turns are compared instead of looked up."""

FEW_ROWS = 8
"""Fewer rows are added up sooner by keeping all partial sums."""

ROWS_AT_ONCE = 128
"""Each row needs some twenty bytes for each tree on its way to log-odds."""


class Ensemble:
    """A model's trees, ready to score.

    Attributes:
        trees: as they were read.
        depth: of the trees; leaves have 2^depth slots in each.
        word: type of a tree's turns.
        prior: log-odds before any tree.
        value: what each slot's leaf adds to the log-odds, shape (trees, slots).
        is_leaf: which slots hold one of the model's leaves, shape (trees, slots). A shallower leaf has its leftmost.
    """

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.depth = trees.depth
        slots = 1 << self.depth
        self.word = np.min_scalar_type((1 << slots) - 1)
        self.prior = trees.prior
        self.value = trees.value
        self.is_leaf = trees.is_leaf
        self._feature = trees.feature.astype(np.intp)
        self._threshold = trees.threshold
        # A walk that ends in slot i ends at number slots + i.
        self._slots_from = np.arange(-1, len(self.value) - 1) * slots
        self._tables: TurnTables | Comparisons
        is_split = self._feature != NO_SPLIT
        if len(np.unique(self._feature[is_split])) > MOST_IN_TABLES:
            thresholds = np.where(is_split, self._threshold, np.inf)
            self._tables = Comparisons(self._feature, thresholds, self.word)
        else:
            no_turns = np.zeros(len(self.value), dtype=self.word)
            self._tables = TurnTables(trees.columns, self._intervals(), no_turns)

    def _intervals(self) -> Iterator[Intervals]:
        """The turns that depend on each feature that splits."""
        for feature in self.split_columns:
            tree, number = np.nonzero(self._feature == feature)
            thresholds, rank = np.unique(self._threshold[tree, number], return_inverse=True)
            table = np.zeros((len(thresholds) + 1, len(self.value)), dtype=self.word)
            np.bitwise_or.at(table, (rank + 1, tree), self._bit(number))
            yield Intervals.of(feature, thresholds, np.bitwise_or.accumulate(table, axis=0))

    def _bit(self, number: NDArray[np.intp]) -> Turns:
        bit: Turns = self.word.type(1) << number.astype(self.word)
        return bit

    @property
    def tables(self) -> TurnTables | None:
        """What turns are looked up in; None where features are too many for that."""
        return self._tables if isinstance(self._tables, TurnTables) else None

    def turns(self, matrix: NDArray[np.float32]) -> Turns:
        """Features, shape (n, k), to turns, shape (n, trees)."""
        if isinstance(self._tables, Comparisons):
            return self._tables.turns(matrix)
        return self._tables.turns(self._tables.rows(matrix))

    def log_odds(self, turns: Turns) -> NDArray[np.float64]:
        """Turns, shape (n, trees), to log-odds, shape (n,)."""
        log_odds = np.empty(len(turns))
        for start in range(0, len(turns), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            log_odds[rows] = self._log_odds(turns[rows])
        return log_odds

    def _log_odds(self, turns: Turns) -> NDArray[np.float64]:
        one = self.word.type(1)
        number = turns >> one & one | self.word.type(2)  # the split below the root
        for _ in range(self.depth - 1):
            number = number << one | turns >> number & one
        terms = self.value.take(number.astype(np.intp) + self._slots_from)
        terms[:, 0] += self.prior
        return add_in_order(terms)

    @property
    def split_columns(self) -> list[int]:
        """The columns that some tree splits on."""
        columns: list[int] = np.unique(self._feature[self._feature != NO_SPLIT]).tolist()
        return columns

    def bounds(self, trees: slice = slice(None)) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """For each column that splits, and each slot of some trees, the interval (low, high] that leads there."""
        shape = self._feature[trees].shape
        found = {column: (np.full(shape, -np.inf), np.full(shape, np.inf)) for column in self.split_columns}
        for numbers, goes_right in self._paths():
            feature, threshold = self._feature[trees][:, numbers], self._threshold[trees][:, numbers]
            for column, (low, high) in found.items():
                read = feature == column
                np.maximum(low, threshold, out=low, where=read & goes_right)
                np.minimum(high, threshold, out=high, where=read & ~goes_right)
        return found

    def thresholds(self, features: Sequence[int]) -> list[float]:
        """Where splits that read one of `features` divide, rising, each once."""
        read: list[float] = np.unique(self._threshold[np.isin(self._feature, features)]).tolist()
        return read

    def ways(
        self, tree: NDArray[np.intp], slot: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], Turns, NDArray[np.bool_]]]:
        """Level by level, of ways to leaves: the feature that splits, or NO_SPLIT; its bit; whether to the right."""
        for numbers, goes_right in self._paths():
            yield self._feature[tree, numbers[slot]], self._bit(numbers[slot]), goes_right[slot]

    def _paths(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
        """Level by level, the split above each slot and whether the way there goes right; shape (slots,)."""
        ends = np.arange(1 << self.depth, 2 << self.depth)
        for level in range(self.depth):
            yield ends >> self.depth - level, (ends >> self.depth - level - 1 & 1).astype(bool)


def add_in_order(terms: NDArray[np.float64], columns: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Row sums, term by term from the left as scikit-learn adds; sum() over the rows would round otherwise.

    Args:
        terms: shape (n, trees).
        columns: to work in, shape (trees, n); made unless given.
    """
    if len(terms) < FEW_ROWS:
        few: NDArray[np.float64] = np.add.accumulate(terms, axis=1)[:, -1]
        return few
    # Over the slow axis numpy adds one term to all sums, then the next (see the notes of `numpy.sum`).
    if columns is None:
        columns = np.empty(terms.shape[::-1])
    np.copyto(columns, terms.T)
    many: NDArray[np.float64] = np.add.reduce(columns, axis=0)
    return many
