"""The trees of a model as plain arrays: `ensemble.npz`, which serving reads instead of a pickle.

Every tree is filled up to a complete one of the same depth. Its splits are numbered as in a heap: the root is 1, below
i come 2i to the left and 2i + 1 to the right. Below the last splits are 2^depth slots; a leaf above has its leftmost.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.archive import read_archive

MAX_DEPTH = 6
"""A tree's splits are the bits of a word of at most 64."""

MIN_DEPTH = 2
"""Shallower trees are filled up, so that all have subtrees of four leaves at the bottom."""

NO_SPLIT = -1

_ARRAYS = {"columns": np.int64, "prior": np.float64, "feature": np.int32, "threshold": np.float64, "value": np.float64}
"""What the file holds."""


@dataclass(frozen=True)
class Trees:
    """The trees of a binary classifier, and where they start from.

    Attributes:
        columns: features that the model was fitted on.
        prior: log-odds before any tree.
        feature: column of each split by its number, NO_SPLIT where there is none; int32, shape (trees, slots).
        threshold: whatever exceeds it goes to the right, 0 where there is no split; float64, the same shape.
        value: what each slot's leaf adds to the log-odds, 0 where there is none; float64, the same shape.

    Raises:
        ValueError: the arrays are not such trees.
    """

    columns: int
    prior: float
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {self.feature.shape, self.threshold.shape, self.value.shape}
        if len(shapes) > 1 or self.feature.ndim != 2 or not len(self.feature):
            raise ValueError("feature, threshold and value must have one shape, (trees, slots), of a tree at least")
        if self.feature.shape[1] not in {1 << depth for depth in range(MIN_DEPTH, MAX_DEPTH + 1)}:
            raise ValueError(f"{self.feature.shape[1]} slots are not those of trees {MIN_DEPTH} to {MAX_DEPTH} deep")
        if self.columns < 1 or not ((self.feature >= NO_SPLIT) & (self.feature < self.columns)).all():
            raise ValueError(f"a split reads a column that is none of the model's {self.columns}")
        for name in ("prior", "threshold", "value"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} is not finite")
        self._check_form()

    def _check_form(self) -> None:
        """A model has one form, so that the same model gives the same bytes."""
        split = self.feature != NO_SPLIT
        if split[:, 0].any():
            raise ValueError("splits are numbered from 1, and there is one of number 0")
        number = np.arange(2, split.shape[1])
        if (split[:, number] & ~split[:, number >> 1]).any():
            raise ValueError("a split stands below a leaf")
        if self.threshold[~split].any() or self.value[~self.is_leaf].any():
            raise ValueError("there is a threshold without a split, or a value without a leaf")

    @property
    def depth(self) -> int:
        """Of all trees, filled up."""
        return int(self.feature.shape[1]).bit_length() - 1

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """Which slots hold one of the model's leaves, shape (trees, slots)."""
        slots = self.feature.shape[1]
        split = np.pad(self.feature != NO_SPLIT, ((0, 0), (0, slots)))
        number = np.arange(1, 2 * slots)
        reached = split[:, number >> 1]
        reached[:, 0] = True  # the root
        tree, place = np.nonzero(reached & ~split[:, 1:])
        number = number[place]
        while (short := number < slots).any():
            number[short] <<= 1
        leaves = np.zeros(self.feature.shape, dtype=bool)
        leaves[tree, number - slots] = True
        return leaves

    def to_bytes(self) -> bytes:
        """As a NumPy archive; by one Python, the same trees give the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            columns=np.int64(self.columns),
            prior=np.float64(self.prior),
            feature=self.feature,
            threshold=self.threshold,
            value=self.value,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Trees:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        arrays = read_archive(content, "trees")
        if arrays.keys() != _ARRAYS.keys():
            raise ValueError(f"an archive of trees holds {', '.join(_ARRAYS)}, and nothing else")
        for name, kind in _ARRAYS.items():
            if arrays[name].dtype != kind:
                raise ValueError(f"{name} is {arrays[name].dtype}, not {np.dtype(kind)}")
        columns, prior = arrays.pop("columns"), arrays.pop("prior")
        if columns.shape or prior.shape:
            raise ValueError("columns and prior are one number each")
        return cls(columns=int(columns), prior=float(prior), **arrays)
