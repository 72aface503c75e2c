"""What moves the margins of many rows, in sums over groups of fields: close to `Attributor`, and several times sooner.

Attributions of one application are added up subtree by subtree, in an order that settles their last bits. Here they
are added up as it suits, so that the last bits differ: good for telling which of two is greater where they lie further
apart than `UNSURE`, and for nothing else.

A tree's subtrees are put together in groups that read few enough splits for a table of all that can happen there. Of
splits on one feature only the number of thresholds exceeded counts, so that the place in the table is a sum over the
features, and so a sum over rows of the tables that turns are looked up in.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count, groupby, pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from scoring.attribution import Attributor, splits_of_subtrees
from scoring.boosting import Ensemble
from scoring.trees import NO_SPLIT, Trees
from scoring.turns import Turns, TurnTables

UNSURE = 1e-9
"""How near to each other two sums are not told apart, in log-odds; far more than additions in any order differ by."""

MOST_STATES = 2048
"""Rows of a group's table: as many as stay near the processor, and at least those of a subtree of four leaves."""

FEW_ROWS_AT_ONCE = 16
"""Up to so many are looked up in all tables at once: fewer steps. Of more, what they need meanwhile costs more than the
steps do."""

ROWS_AT_ONCE = 64
"""Each row needs some twenty KiB on its way with a hundred trees; twice as many at once take a twentieth less time."""


class Impacts:
    """A model's attributions, summed by groups of fields, ready for many rows.

    Attributes:
        none: which groups never add anything.

    Args:
        ensemble: the model.
        tables: its own.
        attributor: whose sums they are.
        groups: names of the fields to sum up.
    """

    def __init__(
        self, ensemble: Ensemble, tables: TurnTables, attributor: Attributor, groups: Sequence[Sequence[str]]
    ) -> None:
        summed = np.array([[field in group for group in groups] for field in attributor.fields], dtype=np.float64)
        self._width = len(groups)
        thresholds = _Thresholds(ensemble.trees)
        parts = [list(_parts(thresholds, tree)) for tree in range(len(ensemble.trees.feature))]
        states = [part.states for of_tree in parts for part in of_tree]
        first = np.cumsum([0, *states])
        self._sums = np.empty((first[-1], self._width))
        picked = np.empty((max(states), self._width))
        self.none = np.ones(self._width, dtype=bool)
        sums = iter(np.split(self._sums, first[1:-1]))
        for tree, of_tree in enumerate(parts):
            grouped = attributor.grouped(tree, summed)
            self.none[self.none] = ~grouped[:, self.none].any(axis=0)
            for part in of_tree:
                part.sum_up(grouped, thresholds.subtrees[tree], next(sums), picked)
        self._all = thresholds.places(parts, np.concatenate(tables.tables))
        self._first_rows = tables.first_rows
        self._places = np.split(self._all, self._first_rows[1:])
        self._places[0] += first[:-1]  # a view: of `_all` too
        self._workspace = _Workspace(len(states), self._width)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows of the model's tables, shape (n, tables), to sums in margin, shape (n, groups)."""
        found = np.empty((len(rows), self._width))
        workspace = self._workspace
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            n = len(part)
            places = self._places_of(part)
            # Group by group, so that what is added up are long rows.
            by_part = workspace.by_part[: places.size]
            np.copyto(by_part.reshape(-1, n), places.T)
            picked = workspace.picked[: places.size]
            self._sums.take(by_part, axis=0, out=picked, mode="clip")
            picked.reshape(-1, n * self._width).sum(axis=0, out=found[start : start + n].reshape(-1))
        return found

    def _places_of(self, rows: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where the sums of each part stand, shape (n, parts)."""
        if len(rows) <= FEW_ROWS_AT_ONCE:
            few: NDArray[np.intp] = np.add.reduce(self._all.take(rows + self._first_rows, axis=0), axis=1)
            return few
        places, other = self._workspace.places[: len(rows)], self._workspace.other[: len(rows)]
        self._places[0].take(rows[:, 0], axis=0, out=places, mode="clip")  # the only mode that needs no copy
        for number, table in enumerate(self._places[1:], 1):
            table.take(rows[:, number], axis=0, out=other, mode="clip")
            places += other
        return places


class _Workspace(threading.local):
    """One thread's arrays for what is only needed meanwhile; made anew, they would be mapped anew.

    Attributes:
        places: of rows in the parts' tables, and `other` the same of one table.
        by_part: they part by part.
        picked: what stands there.
    """

    def __init__(self, parts: int, width: int) -> None:
        self.places, self.other = np.empty((2, ROWS_AT_ONCE, parts), dtype=np.intp)
        self.by_part = np.empty(ROWS_AT_ONCE * parts, dtype=np.intp)
        self.picked = np.empty((ROWS_AT_ONCE * parts, width))


@dataclass(frozen=True)
class _Part:
    """Some subtrees of four leaves of a tree, with the thresholds that they depend on.

    Attributes:
        subtrees: their places in it.
        thresholds: numbers of them, rising, by feature.
    """

    subtrees: list[int]
    thresholds: list[list[int]]

    @property
    def states(self) -> int:
        """How many differ in how many thresholds of each feature are exceeded."""
        return prod(len(of_feature) + 1 for of_feature in self.thresholds)

    def strides(self) -> NDArray[np.intp]:
        """Of each threshold, how far apart two places are of which one exceeds it besides."""
        sizes = [len(of_feature) for of_feature in self.thresholds]
        strides: NDArray[np.intp] = np.cumprod([1, *(size + 1 for size in sizes)])[:-1].repeat(sizes)
        return strides

    def sum_up(
        self,
        grouped: NDArray[np.float64],
        splits: NDArray[np.intp],
        sums: NDArray[np.float64],
        picked: NDArray[np.float64],
    ) -> None:
        """What its subtrees together add in each of its states.

        Args:
            grouped: what each of the tree's subtrees adds in each of that subtree's.
            splits: thresholds of each of the tree's subtrees, shape (subtrees, bits of a state).
            sums: where to, shape (states, groups).
            picked: to work in, at least of that shape.
        """
        first, *others = self._places_of_subtrees(splits)
        grouped.take(first, axis=0, out=sums, mode="clip")  # the only mode that needs no copy; none is outside
        picked = picked[: len(sums)]
        for other in others:
            grouped.take(other, axis=0, out=picked, mode="clip")
            sums += picked

    def _places_of_subtrees(self, splits: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where each of its subtrees' sums stand among the tree's in each state, shape (subtrees, states)."""
        bits = splits.shape[1]
        numbers = np.array(list(chain.from_iterable(self.thresholds)))
        sets = splits[self.subtrees, np.newaxis] == numbers[:, np.newaxis]
        # Thresholds are exceeded in order, so that each sets its bits in the states of those after it.
        exceeded = np.zeros((len(self.subtrees), len(numbers) + 1), dtype=np.intp)
        np.cumsum(sets @ (1 << np.arange(bits)), axis=1, out=exceeded[:, 1:])
        ends = [0, *accumulate(map(len, self.thresholds))]
        place: NDArray[np.intp] = (np.array(self.subtrees) << bits) - exceeded[:, ends[:-1]].sum(axis=1)
        place = place[:, np.newaxis]
        for first, last in pairwise(ends):
            place = (exceeded[:, first : last + 1, np.newaxis] + place[:, np.newaxis]).reshape(len(place), -1)
        return place


class _Thresholds:
    """The thresholds that a model's splits compare with, numbered so that a feature's stand together and rise.

    Attributes:
        feature: of each.
        of_splits: each split's by its tree and number, NO_SPLIT where there is none, shape (trees, slots).
        subtrees: those of each subtree's splits, shape (trees, subtrees, bits of a state).
    """

    def __init__(self, trees: Trees) -> None:
        is_split = trees.feature != NO_SPLIT
        values, rank = np.unique(trees.threshold[is_split], return_inverse=True)
        found, number = np.unique(trees.feature[is_split] * len(values) + rank, return_inverse=True)
        self.feature: list[int] = (found // max(1, len(values))).tolist()
        self.of_splits = np.full(trees.feature.shape, NO_SPLIT)
        self.of_splits[is_split] = number
        self.subtrees = self.of_splits[:, splits_of_subtrees(trees.depth)]

    def by_feature(self, numbers: Iterable[int]) -> list[list[int]]:
        """Some of them, in order; features with few come first, so that most states are reached in the last step."""
        return sorted([list(each) for _, each in groupby(sorted(numbers), self.feature.__getitem__)], key=len)

    def states(self, numbers: Iterable[int]) -> int:
        """How many states there are of some of them."""
        return prod(of_feature + 1 for of_feature in Counter(map(self.feature.__getitem__, numbers)).values())

    def places(self, parts: Sequence[Sequence[_Part]], turns: Turns) -> NDArray[np.intp]:
        """What turns, shape (m, trees), add to the place in each part, shape (m, parts).

        Args:
            parts: of each tree.
            turns: of which what depends on different features adds up.
        """
        of_bytes = turns.astype(turns.dtype.newbyteorder("<"), order="C").view(np.uint8)
        exceeded = np.unpackbits(of_bytes.reshape(*turns.shape, -1), axis=-1, bitorder="little")
        places = []
        for tree, of_tree in enumerate(parts):
            split = dict(zip(self.of_splits[tree].tolist(), count()))  # of several with one threshold any will do
            # Whole numbers, all of which a float32 holds.
            strides = np.zeros((exceeded.shape[-1], len(of_tree)), dtype=np.float32)
            for column, part in enumerate(of_tree):
                strides[[split[number] for number in chain.from_iterable(part.thresholds)], column] = part.strides()
            places.append(exceeded[:, tree].astype(np.float32) @ strides)
        return np.concatenate(places, axis=1).astype(np.intp)


def _parts(thresholds: _Thresholds, tree: int) -> Iterator[_Part]:
    found: list[tuple[set[int], list[int]]] = []
    for numbers, subtrees in _covers(thresholds, tree):
        for i, (others, with_) in enumerate(found):
            if thresholds.states(numbers | others) <= MOST_STATES:
                found[i] = numbers | others, [*with_, *subtrees]
                break
        else:
            found.append((numbers, subtrees))
    for numbers, subtrees in found:
        yield _Part(subtrees, thresholds.by_feature(numbers))


def _covers(thresholds: _Thresholds, tree: int) -> Iterator[tuple[set[int], list[int]]]:
    """The thresholds on the way to and in each of the largest subtrees with few enough states, and what they are of."""
    of_subtrees = [set(numbers) - {NO_SPLIT} for numbers in thresholds.subtrees[tree].tolist()]
    pending = [list(range(len(of_subtrees)))]
    while pending:
        subtrees = pending.pop()
        numbers = set().union(*(of_subtrees[subtree] for subtree in subtrees))
        if len(subtrees) == 1 or thresholds.states(numbers) <= MOST_STATES:
            yield numbers, subtrees
        else:
            middle = len(subtrees) // 2
            pending += [subtrees[middle:], subtrees[:middle]]
