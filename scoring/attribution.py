"""Exact attributions: interventional Shapley values per original field, in log-odds.

The game: the players are the fields; a coalition S is worth the mean, over a reference population, of the model's
log-odds for an application that has the applicant's values in S and a reference applicant's elsewhere. An applicant's
attributions and the population's mean log-odds (`base_value`) add up to the applicant's log-odds.

A leaf counts for a mixed application if, for every field on its path, whoever supplies that field meets the path's
conditions on it. So a leaf's share of every Shapley value depends only on *which* of those fields the applicant meets:
a pattern of d bits, d being at most the tree's depth. Training works out all 2^d answers of every leaf against the
whole reference population; serving finds each leaf's pattern, looks up and adds. The idea is that of Fast TreeSHAP v2
(Yang 2021) and Woodelf (Nadel 2025); the weights are Shapley's.

The values are those of the margin, the ensemble's own log-odds. What a calibration makes of the whole way from the base
value to the applicant's, each field gets in proportion (the rescale rule of Shrikumar et al. 2017): order and signs
stay, and the sum is the logit of the probability of default.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

from preprocessing.features import FeatureSchema
from scoring.archive import read_archive
from scoring.boosting import Ensemble
from scoring.calibration import UNCALIBRATED, Calibration
from scoring.trees import MAX_DEPTH, NO_SPLIT, Trees
from scoring.turns import Turns

DENSE_FIELDS = 32
"""Up to so many fields a row of sums has a place for each; beyond, only for those that its subtree reads."""

TREES_AT_ONCE = 8
"""What their sums need on the way stays in a processor's own cache."""

ROWS_AT_ONCE = 32
"""Each row needs some twenty bytes for each subtree on its way to its states."""


@dataclass(frozen=True)
class Tables:
    """What training precomputes: numbers only, and no row of the data.

    Attributes:
        values: float64, shape (patterns of all leaves, most fields of a leaf): the attributions of a leaf's fields.
        base_value: mean margin of the reference population, in log-odds before calibration.
    """

    values: NDArray[np.float64]
    base_value: float

    def to_bytes(self) -> bytes:
        """As a NumPy archive; the same tables give the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, values=self.values, base_value=np.float64(self.base_value))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Tables:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        arrays = read_archive(content, "attribution tables")
        try:
            values, base_value = arrays["values"], float(arrays["base_value"])
        except (KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"not an archive of attribution tables: {type(exc).__name__}") from exc
        if values.ndim != 2 or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError("attribution tables must be one finite float64 matrix")
        return cls(values, base_value)


class LeafIndex:
    """All leaves of a model in the order of its tables, with the fields on the way to each.

    Attributes:
        ensemble: whose leaves they are.
        fields: the players, in the schema's order.
        tree: each leaf's tree, shape (leaves,).
        slot: each leaf's place in it, shape (leaves,).
        leaf_value: what each leaf adds to the log-odds, shape (leaves,).
        leaf_fields: positions of the fields on the way to each leaf, shape (leaves, most of a leaf), filled up with
            len(fields); bit s of a pattern stands for the s-th. Leaves with the same fields stand together.
        offset: where each leaf's part of the tables begins, shape (leaves,).
        shape: of the tables.
    """

    def __init__(self, trees: Trees, schema: FeatureSchema) -> None:
        self.ensemble = Ensemble(trees)
        self.fields = schema.fields
        tree, slot = np.nonzero(self.ensemble.is_leaf)
        place = {field: i for i, field in enumerate(self.fields)}
        field_of = np.array([place[feature.field] for feature in schema.contract.features])
        splits, right = np.zeros((2, len(self.fields) + 1, len(tree)), dtype=self.ensemble.word)
        right[-1] = np.iinfo(self.ensemble.word).max  # for the field that isn't there: a condition that nothing meets
        for feature, bit, goes_right in self.ensemble.ways(tree, slot):
            leaves = np.flatnonzero(feature != NO_SPLIT)
            read = field_of[feature[leaves]], leaves
            splits[read] |= bit[leaves]
            right[read] |= np.where(goes_right, bit, 0)[leaves]
        read = splits != 0
        counts = read.sum(axis=0)
        field, leaf = np.nonzero(read)
        fields = np.full((len(tree), max(1, int(counts.max()))), -1)  # so that fewer of the same come first
        fields[leaf, (np.cumsum(read, axis=0) - 1)[field, leaf]] = field
        order = np.lexsort(fields.T[::-1])  # stable: trees stay in order
        self.tree, self.slot = tree[order], slot[order]
        self.leaf_value = self.ensemble.value[self.tree, self.slot]
        sizes = 1 << counts[order]
        self.offset = np.cumsum(sizes) - sizes
        self.shape = (int(sizes.sum()), fields.shape[1])
        self.leaf_fields = np.where(fields < 0, len(self.fields), fields)[order]
        self._conditions = [(splits[field, order], right[field, order]) for field in self.leaf_fields.T]

    def patterns(self, turns: Turns) -> NDArray[np.uint8]:
        """Which of its fields' conditions each leaf's tree meets by its turns, shape (…, leaves) as `turns`."""
        patterns = np.zeros(turns.shape, dtype=np.uint8)
        for s, (splits, right) in enumerate(self._conditions):
            patterns |= (turns & splits == right).astype(np.uint8) << s
        return patterns

    def build_tables(self, reference: NDArray[np.float32]) -> Tables:
        """Work out every leaf's attributions against a reference population, shape (rows, k), rows ≥ 1."""
        counts = np.zeros(self.shape[0])
        for row in reference:
            (turns,) = self.ensemble.turns(row[np.newaxis])
            counts[self.offset + self.patterns(turns[self.tree])] += 1
        values = np.zeros(self.shape)
        reached = np.zeros(len(self.leaf_value))
        dimensions = (self.leaf_fields < len(self.fields)).sum(axis=1)
        for i, (d, start) in enumerate(zip(dimensions.tolist(), self.offset.tolist(), strict=True)):
            shares = counts[start : start + (1 << d)] / len(reference)
            values[start : start + (1 << d), :d] = self.leaf_value[i] * (_shapley_weights(d) @ shares).T
            reached[i] = shares[-1]
        return Tables(values, float(self.ensemble.prior + self.leaf_value @ reached))


class Attributor:
    """A model's tables, compiled for serving: one look-up for every four leaves that part in the last two splits only.

    The turns of those three splits and of the ones above settle the four leaves' patterns. They are the state of the
    subtree, a bit for each.

    Raises:
        ValueError: the tables were not made for this model.
    """

    def __init__(self, index: LeafIndex, tables: Tables, calibration: Calibration = UNCALIBRATED) -> None:
        if tables.values.shape != index.shape:
            raise ValueError(
                f"the tables have the shape {tables.values.shape} but the model needs {index.shape}; rebuild them"
            )
        self.fields = index.fields
        self.base_value = float(calibration.apply(np.array(tables.base_value)))
        self._base_margin = tables.base_value
        self._calibration = calibration
        self._ensemble = index.ensemble
        splits = splits_of_subtrees(index.ensemble.depth)
        subtrees, bits = splits.shape
        look_ups = len(index.ensemble.value) * subtrees
        self._first_states = np.arange(look_ups).reshape(-1, subtrees) << bits
        self._state_by_byte = _state_by_byte(splits, index.ensemble.word)
        # Partial sums, added up at the end, are shorter chains of additions; and long rows add up fastest.
        self._parts = max(n for n in range(1, 65) if look_ups % n == 0)
        columns, width, self._cell = index.leaf_fields, len(self.fields), None
        if width > DENSE_FIELDS:
            columns, fields = _columns(index, look_ups)
            width = fields.shape[1]
            part = np.arange(look_ups)[:, np.newaxis] % self._parts
            self._cell = (part * (len(self.fields) + 1) + fields).ravel()
        self._sums = _sums(index, tables, splits, columns, width)
        self._workspace = _Workspace(self._first_states.shape, self._sums.shape[1])

    def grouped(self, tree: int, groups: NDArray[np.float64]) -> NDArray[np.float64]:
        """What every subtree of a tree adds to the margin in each of its states, summed up by groups of fields.

        Args:
            tree: which.
            groups: whether a field is in a group, shape (fields, groups); asked for where `is_dense`.

        Returns:
            Shape (subtrees * states, groups).
        """
        rows = len(self._sums) // len(self._first_states)
        grouped: NDArray[np.float64] = self._sums[tree * rows : (tree + 1) * rows] @ groups
        return grouped

    def calibrated(self, sums: NDArray[np.float64], margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of attributions in the margin, shape (n, k), in calibrated log-odds.

        Args:
            sums: of rows whose margin isn't the reference population's own.
            margins: theirs, shape (n,).
        """
        stretch = (self._calibration.apply(margins) - self.base_value) / (margins - self._base_margin)
        found: NDArray[np.float64] = sums * stretch[:, np.newaxis]
        return found

    @property
    def is_dense(self) -> bool:
        """Whether fields are so few that a row of sums has a place for each."""
        return self._cell is None

    @property
    def base_margin(self) -> float:
        """The reference population's mean margin."""
        return self._base_margin

    def attribute(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features, shape (n, k), to attributions, shape (n, len(fields)); each row by itself."""
        return self.attribute_turns(self._ensemble.turns(matrix))

    def attribute_turns(self, turns: Turns) -> NDArray[np.float64]:
        """Turns, shape (n, trees), to one attribution per field, shape (n, len(fields)), in calibrated log-odds."""
        margins = np.empty((len(turns), len(self.fields)))
        for start in range(0, len(turns), ROWS_AT_ONCE):
            states = self._states(turns[start : start + ROWS_AT_ONCE])
            for margin, of_row in zip(margins[start:], states, strict=False):
                self._add_up(of_row, margin)
        ends = self._base_margin + margins.sum(axis=1)
        return margins * self._calibration.stretch(self._base_margin, ends)[:, np.newaxis]

    def _states(self, turns: Turns) -> NDArray[np.uint8]:
        """The states of all subtrees, shape (n, trees, subtrees)."""
        of_bytes = turns.astype(turns.dtype.newbyteorder("<"), order="C", copy=False).view(np.uint8)
        of_bytes = of_bytes.reshape(*turns.shape, -1)
        first, *others = self._state_by_byte
        states: NDArray[np.uint8] = first.take(of_bytes[..., 0], axis=0)
        for byte, state in enumerate(others, 1):
            states |= state.take(of_bytes[..., byte], axis=0)
        return states

    def _add_up(self, states: NDArray[np.uint8], margins: NDArray[np.float64]) -> None:
        """The sums of one application's states, shape (trees, subtrees), into its margins, shape (len(fields),)."""
        places, picked = self._workspace.places, self._workspace.picked
        np.add(self._first_states, states, out=places)
        # Every index is in range by construction, and "clip" spares NumPy's buffered check of it: 40% of the time.
        self._sums.take(places.ravel(), axis=0, mode="clip", out=picked)
        if self._cell is None:
            folded = np.add.reduce(picked.reshape(-1, self._parts * len(self.fields)), axis=0)
            np.add.reduce(folded.reshape(self._parts, -1), axis=0, out=margins)
        else:
            cells = self._parts * (len(self.fields) + 1)
            parts = np.bincount(self._cell, weights=picked.ravel(), minlength=cells).reshape(self._parts, -1)
            np.add.reduce(parts[:, :-1], axis=0, out=margins)


class _Workspace(threading.local):
    """One thread's arrays for what is only needed meanwhile; made anew, they would be mapped anew.

    Attributes:
        places: where one application's sums stand.
        picked: these sums.
    """

    def __init__(self, places: tuple[int, ...], width: int) -> None:
        self.places = np.empty(places, dtype=np.intp)
        self.picked = np.empty((self.places.size, width))


def splits_of_subtrees(depth: int) -> NDArray[np.intp]:
    """For each subtree of four leaves, the numbers of the splits above and in it, shape (subtrees, depth + 1)."""
    tops = np.arange(1 << depth - 2, 2 << depth - 2)
    above = [tops >> levels for levels in range(depth - 2, 0, -1)]
    return np.array([*above, tops, 2 * tops, 2 * tops + 1]).T


def _state_by_byte(splits: NDArray[np.intp], word: np.dtype[np.unsignedinteger]) -> NDArray[np.uint8]:
    """What each byte of a word has of each subtree's state, shape (bytes, 256, subtrees)."""
    weight = np.zeros((8 * word.itemsize, len(splits)), dtype=np.uint8)  # a state has at most MAX_DEPTH + 1 bits
    for subtree, numbers in enumerate(splits):
        weight[numbers, subtree] = 1 << np.arange(len(numbers))
    bits = (np.arange(256)[:, np.newaxis] >> np.arange(8) & 1).astype(np.uint8)
    return bits @ weight.reshape(word.itemsize, 8, len(splits))


def _columns(index: LeafIndex, look_ups: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which columns of a subtree's sums are a leaf's fields, where it has some only for what it reads.

    Args:
        index: the leaves.
        look_ups: how many subtrees there are, those of all trees.

    Returns:
        Columns, of the shape of the leaves' fields, and positions of each subtree's fields, shape (look_ups, most
        fields of a subtree), filled up with len(fields).
    """
    none = len(index.fields)
    is_read = index.leaf_fields < none
    subtree = index.tree * (look_ups // len(index.ensemble.value)) + index.slot // 4
    read, place = np.unique((subtree[:, np.newaxis] * none + index.leaf_fields)[is_read], return_inverse=True)
    owner = read // none
    rank = np.arange(len(read)) - np.searchsorted(owner, owner)
    fields = np.full((look_ups, 1 + int(rank.max(initial=0))), none)
    fields[owner, rank] = read % none
    columns = np.zeros_like(index.leaf_fields)
    columns[is_read] = rank[place]
    return columns, fields


def _sums(
    index: LeafIndex, tables: Tables, splits: NDArray[np.intp], columns: NDArray[np.intp], width: int
) -> NDArray[np.float64]:
    """What the leaves of each subtree in each state add up to, shape (trees * subtrees * states, width).

    Args:
        index: the leaves.
        tables: of their attributions.
        splits: of the subtrees of a tree, shape (subtrees, bits of a state).
        columns: where each leaf's fields are added up, of their shape.
        width: how many columns there are.
    """
    subtrees, bits = splits.shape
    state = np.arange(1 << bits)[:, np.newaxis]
    word = index.ensemble.word
    turns = np.zeros((len(state), subtrees), dtype=word)  # that have these states
    for bit, numbers in enumerate(splits.T):
        turns |= (state >> bit & 1).astype(word) << numbers.astype(word)
    rows = index.offset + index.patterns(turns[:, index.slot // 4])
    place = ((index.tree * subtrees + index.slot // 4 << bits) + state) * width
    trees, tree_size = len(index.ensemble.value), subtrees * len(state) * width
    sums = np.zeros(trees * tree_size)
    is_read = index.leaf_fields < len(index.fields)
    of_fields = np.ascontiguousarray(tables.values.T)
    for start in range(0, trees, TREES_AT_ONCE):
        of_trees = (start <= index.tree) & (index.tree < start + TREES_AT_ONCE)
        part = sums[start * tree_size : (start + TREES_AT_ONCE) * tree_size]
        for values, column, reads in zip(of_fields, columns.T, is_read.T, strict=True):
            leaves = np.flatnonzero(of_trees & reads)
            at = place[:, leaves] + (column[leaves] - start * tree_size)
            weights = values.take(rows[:, leaves]).ravel()
            part += np.bincount(at.ravel(), weights=weights, minlength=len(part))
    return sums.reshape(-1, width)


@lru_cache(maxsize=MAX_DEPTH + 1)
def _shapley_weights(d: int) -> NDArray[np.float64]:
    """Shapley values of a leaf of value 1: entry [field, applicant's pattern, reference's pattern].

    With A the fields that only the applicant meets and B those that only the reference does, the leaf is reached by the
    coalitions that hold all of A and none of B. Each of A is then worth (|A|-1)! |B|! / (|A|+|B|)!, each of B
    -|A|! (|B|-1)! / (|A|+|B|)!, and where a field is met by neither, nothing.
    """
    weights = np.zeros((d, 1 << d, 1 << d))
    for field, own, other in np.ndindex(weights.shape):
        if own | other != (1 << d) - 1:
            continue
        a, b = (own & ~other).bit_count(), (other & ~own).bit_count()
        if own & ~other & (1 << field):
            weights[field, own, other] = factorial(a - 1) * factorial(b) / factorial(a + b)
        elif other & ~own & (1 << field):
            weights[field, own, other] = -factorial(a) * factorial(b - 1) / factorial(a + b)
    return weights
