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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.attribution import Attributor
from scoring.boosting import Ensemble
from scoring.trees import NO_SPLIT, Trees
from scoring.turns import Turns, TurnTables

UNSURE = 1e-9
"""How near to each other two sums are not told apart, in log-odds; far more than additions in any order differ by."""

MOST_STATES = 2048
"""Rows of a group's table: as many as stay near the processor, and at least those of a subtree of four leaves."""

ROWS_AT_ONCE = 64


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
        parts = list(_parts(ensemble.trees))
        grouped = attributor.grouped(summed)
        sums = []
        for part in parts:
            first, *others = attributor.places(part.tree, part.subtrees, part.turns(ensemble.word)).T
            of_part = grouped.take(first, axis=0)
            for other in others:
                of_part += grouped.take(other, axis=0)
            sums.append(of_part)
        self._sums = np.concatenate(sums)
        self._width = len(groups)
        self.none: NDArray[np.bool_] = np.logical_not(self._sums.any(axis=0))
        first = np.cumsum([0, *map(len, sums[:-1])])
        turns = np.concatenate(tables.tables)
        places = np.stack([part.place(turns) for part in parts], axis=1)
        self._places = np.split(places, np.cumsum([len(turns) for turns in tables.tables])[:-1])
        self._places[0] += first
        self._workspace = _Workspace(len(parts), self._width)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows of the model's tables, shape (n, tables), to sums in margin, shape (n, groups)."""
        found = np.empty((len(rows), self._width))
        workspace = self._workspace
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            n = len(part)
            places, other = workspace.places[:n], workspace.other[:n]
            self._places[0].take(part[:, 0], axis=0, out=places, mode="clip")  # the only mode that needs no copy
            for number, table in enumerate(self._places[1:], 1):
                table.take(part[:, number], axis=0, out=other, mode="clip")
                places += other
            # Group by group, so that what is added up are long rows.
            by_part = workspace.by_part[: places.size]
            np.copyto(by_part.reshape(-1, n), places.T)
            picked = workspace.picked[: places.size]
            self._sums.take(by_part, axis=0, out=picked, mode="clip")
            picked.reshape(-1, n * self._width).sum(axis=0, out=found[start : start + n].reshape(-1))
        return found


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
    """Some subtrees of four leaves of a tree, with the splits that they depend on.

    Attributes:
        tree: which.
        subtrees: their places in it.
        ranks: of each split, by its number: its feature's stride in the place, how many thresholds of that feature lie
            below its own, and whether it is the first of its threshold.
        strides: of each feature, and how many thresholds it has.
    """

    tree: int
    subtrees: list[int]
    ranks: dict[int, tuple[int, int, bool]]
    strides: dict[int, tuple[int, int]]

    def turns(self, word: np.dtype[np.unsignedinteger]) -> Turns:
        """The turns at each place."""
        states = 1
        for _, thresholds in self.strides.values():
            states *= thresholds + 1
        place = np.arange(states)
        turns = np.zeros(states, dtype=word)
        steps = dict(self.strides.values())
        for number, (stride, rank, _) in self.ranks.items():
            exceeded = place // stride % (steps[stride] + 1)
            turns |= (exceeded > rank).astype(word) << word.type(number)
        return turns

    def place(self, turns: Turns) -> NDArray[np.intp]:
        """The place for the turns of all trees, shape (m, trees); what different features add to it adds up."""
        own = turns[:, self.tree]
        place = np.zeros(len(own), dtype=np.intp)
        for number, (stride, _, counts) in self.ranks.items():
            if counts:
                place += (own >> own.dtype.type(number) & own.dtype.type(1)).astype(np.intp) * stride
        return place


def _parts(trees: Trees) -> Iterator[_Part]:
    for tree in range(len(trees.feature)):
        found: list[tuple[frozenset[int], list[int]]] = []
        for splits, subtrees in _covers(trees, tree, 1):
            for i, (others, with_) in enumerate(found):
                if _states(trees, tree, splits | others) <= MOST_STATES:
                    found[i] = splits | others, [*with_, *subtrees]
                    break
            else:
                found.append((splits, subtrees))
        yield from (_part(trees, tree, splits, subtrees) for splits, subtrees in found)


def _covers(trees: Trees, tree: int, top: int) -> Iterator[tuple[frozenset[int], list[int]]]:
    """The splits on the way to and in each of the largest subtrees with few enough states, and what they consist of."""
    levels = trees.depth - 1 - top.bit_length()  # down to the tops of those of four leaves
    splits = _below(trees, tree, top)
    above = top
    while above := above >> 1:
        splits.add(above)
    if levels == 0 or _states(trees, tree, splits) <= MOST_STATES:
        first = (top << levels) - (1 << trees.depth - 2)
        yield frozenset(splits), list(range(first, first + (1 << levels)))
    else:
        yield from _covers(trees, tree, 2 * top)
        yield from _covers(trees, tree, 2 * top + 1)


def _below(trees: Trees, tree: int, top: int) -> set[int]:
    if top >= trees.feature.shape[1] or trees.feature[tree, top] == NO_SPLIT:
        return set()
    return {top} | _below(trees, tree, 2 * top) | _below(trees, tree, 2 * top + 1)


def _thresholds(trees: Trees, tree: int, splits: frozenset[int] | set[int]) -> dict[int, list[float]]:
    found: dict[int, set[float]] = {}
    for number in splits:
        found.setdefault(int(trees.feature[tree, number]), set()).add(float(trees.threshold[tree, number]))
    return {feature: sorted(thresholds) for feature, thresholds in sorted(found.items())}


def _states(trees: Trees, tree: int, splits: frozenset[int] | set[int]) -> int:
    states = 1
    for thresholds in _thresholds(trees, tree, splits).values():
        states *= len(thresholds) + 1
    return states


def _part(trees: Trees, tree: int, splits: frozenset[int], subtrees: list[int]) -> _Part:
    strides, stride = {}, 1
    thresholds = _thresholds(trees, tree, splits)
    for feature, of_feature in thresholds.items():
        strides[feature] = stride, len(of_feature)
        stride *= len(of_feature) + 1
    ranks: dict[int, tuple[int, int, bool]] = {}
    counted: set[tuple[int, int]] = set()
    for number in sorted(splits):
        feature = int(trees.feature[tree, number])
        rank = thresholds[feature].index(float(trees.threshold[tree, number]))
        ranks[number] = strides[feature][0], rank, (feature, rank) not in counted
        counted.add((feature, rank))
    return _Part(tree, subtrees, ranks, strides)
