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
    columns = ensemble.split_columns
    for start in range(0, len(ensemble.value), TREES_AT_ONCE):
        trees = slice(start, start + TREES_AT_ONCE)
        value, is_leaf = ensemble.value[trees], ensemble.is_leaf[trees]
        excess = value[:, :, np.newaxis] - value[:, np.newaxis, :]  # of the first leaf over the second
        apart = np.zeros(excess.shape, dtype=np.int8)
        below = {}
        for column in columns:
            low, high = ensemble.bounds([column], trees)
            first_below = high[:, :, np.newaxis] <= low[:, np.newaxis, :]
            apart += first_below
            apart += first_below.swapaxes(1, 2)
            if directions[column] is not None:
                below[column] = first_below
        alone: Pairs = (apart == 1) & is_leaf[:, :, np.newaxis] & is_leaf[:, np.newaxis, :]
        for column, first_below in below.items():
            sign = 1.0 if directions[column] == "rises" else -1.0
            wrong = np.where(alone & first_below, sign * excess, 0.0).max(axis=(1, 2))
            for tree in np.flatnonzero(wrong > 0).tolist():
                yield Reversal(column, start + tree, float(wrong[tree]))
