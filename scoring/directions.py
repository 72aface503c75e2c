"""Whether an ensemble keeps to the directions of its columns: for every input, not for samples.

A tree keeps to a direction if no two of its leaves that differ in that column alone stand the wrong way round: for any
application in one of them there is then none in the other that only that column sets apart. Trees that keep to it add
up to an ensemble that does, in floating point too, since adding and multiplying by a positive number never turns an
order round. What a column's direction means for a field, and for a ratio that goes along with it, is the contract's
(`preprocessing.coherence`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocessing.base import Direction
from scoring.boosting import Ensemble

TREES_AT_ONCE = 256
"""Each tree of depth 6 needs some sixteen kilobytes for each table of its pairs of leaves."""

Pairs = NDArray[np.bool_]
"""Of each tree, shape (trees, slots, slots)."""


class Reversal(NamedTuple):
    """Two leaves that stand the wrong way round.

    Attributes:
        column: position of the column that sets them apart.
        tree: position of their tree.
        by: how far they are the wrong way round, in log-odds of the margin.
    """

    column: int
    tree: int
    by: float


def reversals(ensemble: Ensemble, directions: Sequence[Direction | None]) -> Iterator[Reversal]:
    """The worst reversal of every tree and directed column that has one; nothing where all directions hold.

    Args:
        ensemble: whose trees are looked at.
        directions: which way the risk goes as each column rises.
    """
    for start in range(0, len(ensemble.value), TREES_AT_ONCE):
        trees = slice(start, start + TREES_AT_ONCE)
        value, is_leaf = ensemble.value[trees], ensemble.is_leaf[trees]
        excess = value[:, :, np.newaxis] - value[:, np.newaxis, :]  # of the first leaf over the second
        apart = np.zeros(excess.shape, dtype=np.int8)
        below = {}
        for column, (low, high) in ensemble.bounds(trees).items():
            first_below = high[:, :, np.newaxis] <= low[:, np.newaxis, :]
            apart += first_below.view(np.int8)
            if (direction := directions[column]) is not None:
                below[column] = first_below, direction
        apart = apart + apart.swapaxes(1, 2)
        alone: Pairs = (apart == 1) & is_leaf[:, :, np.newaxis] & is_leaf[:, np.newaxis, :]
        wrong_way = {"rises": alone & (excess > 0), "falls": alone & (excess < 0)}
        for column, (first_below, direction) in below.items():
            reversed_pairs: Pairs = first_below & wrong_way[direction]
            for tree in np.flatnonzero(reversed_pairs.any(axis=(1, 2))).tolist():
                yield Reversal(column, start + tree, float(np.abs(excess[tree][reversed_pairs[tree]]).max()))
