"""Exact attributions: interventional Shapley values per original field, in log-odds.

The game: the players are the fields; a coalition S is worth the mean, over a reference population, of the model's
log-odds for an application that has the applicant's values in S and a reference applicant's elsewhere. An applicant's
attributions and the population's mean log-odds (`base_value`) add up to the applicant's log-odds.

A leaf counts for a mixed application if, for every field on its path, whoever supplies that field meets the path's
conditions on it. So a leaf's share of every Shapley value depends only on *which* of those fields the applicant meets:
a pattern of d bits, d being at most the tree's depth. Training works out all 2^d answers of every leaf against the
whole reference population; serving finds each leaf's pattern, looks up and adds. The idea is that of Fast TreeSHAP v2
(Yang 2021) and Woodelf (Nadel 2025); the weights are Shapley's.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.features import FEATURES, FeatureSchema
from scoring.boosting import prior_log_odds

MAX_FIELDS_ON_A_PATH = 8
"""A pattern is one byte. A tree of depth 8 or less can't have more."""


@dataclass(frozen=True)
class Tables:
    """What training precomputes: numbers only, and no row of the data.

    Attributes:
        values: float64, shape (patterns of all leaves, most fields of a leaf): the attributions of a leaf's fields.
        base_value: mean log-odds of the reference population.
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
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                values, base_value = archive["values"], float(archive["base_value"])
        except (OSError, KeyError, TypeError, EOFError, ValueError, BadZipFile) as exc:
            raise ValueError(f"not an archive of attribution tables: {type(exc).__name__}") from exc
        if values.ndim != 2 or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError("attribution tables must be one finite float64 matrix")
        return cls(values, base_value)


@dataclass(frozen=True)
class _Leaf:
    value: float
    bounds: dict[int, tuple[float, float]]
    """Feature to (low, high]: the values that lead to this leaf."""
    fields: tuple[int, ...]
    """Positions of the fields on the path; bit s of the leaf's pattern is fields[s]."""


class _FeatureConditions:
    """All leaves' conditions on one feature: which bits of their patterns a value leaves standing.

    Between two neighbouring thresholds the answer is the same. It is kept for every STRIDE-th interval, where there are
    many, and brought up to the others by the few leaves whose bounds lie between.
    """

    STRIDE = 32
    DENSE = 64

    def __init__(self, entries: list[tuple[int, int, float, float]], leaves: int) -> None:
        """From (leaf, bit, low, high) of every leaf with a condition on the feature."""
        self.thresholds = sorted({bound for *_, low, high in entries for bound in (low, high) if abs(bound) < np.inf})
        position = {bound: i for i, bound in enumerate(self.thresholds)} | {-np.inf: -1, np.inf: len(self.thresholds)}
        self._stride = 1 if len(self.thresholds) <= self.DENSE else self.STRIDE
        leaf = np.array([entry[0] for entry in entries], dtype=np.intp)
        bit = np.array([entry[1] for entry in entries], dtype=np.uint8)
        low = np.array([position[entry[2]] for entry in entries])
        high = np.array([position[entry[3]] for entry in entries])
        intervals = range(0, len(self.thresholds) + 1, self._stride)
        self._standing = np.full((len(intervals), leaves), 0xFF, dtype=np.uint8)
        for row, interval in zip(self._standing, intervals, strict=True):
            failed = (low >= interval) | (high < interval)
            row[leaf[failed]] = ~bit[failed]
        # What changes when a value rises over a threshold: leaves that begin there, and leaves that end there.
        self._begin = _by_threshold(low, leaf, bit, len(self.thresholds))
        self._end = _by_threshold(high, leaf, ~bit, len(self.thresholds))

    def standing(self, value: float) -> NDArray[np.uint8]:
        """A mask per leaf: all ones, or all but the feature's bit where `value` fails the leaf's conditions."""
        interval = bisect_left(self.thresholds, value)
        checkpoint, rest = divmod(interval, self._stride)
        standing: NDArray[np.uint8] = self._standing[checkpoint]
        if rest:
            standing = standing.copy()
            span = slice(interval - rest, interval)
            (begin_leaf, begin_bit), (end_leaf, end_mask) = self._begin(span), self._end(span)
            standing[begin_leaf] |= begin_bit
            standing[end_leaf] &= end_mask
        return standing


def _by_threshold(
    position: NDArray[np.intp], leaf: NDArray[np.intp], bits: NDArray[np.uint8], thresholds: int
) -> Callable[[slice], tuple[NDArray[np.intp], NDArray[np.uint8]]]:
    """The leaves and bits of a range of thresholds."""
    order = np.argsort(position, kind="stable")
    leaf, bits = leaf[order], bits[order]
    starts = np.searchsorted(position[order], np.arange(thresholds + 1)).tolist()

    def between(span: slice) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        chosen = slice(starts[span.start], starts[span.stop])
        return leaf[chosen], bits[chosen]

    return between


class LeafIndex:
    """All leaves of a boosted ensemble, with the conditions on the way to each, by field.

    Leaves with the same fields stand together, so that their attributions add up in a few long sums.

    Attributes:
        fields: the players, in the schema's order.
        leaf_value: each leaf's contribution to the log-odds, shape (leaves,).
        all_met: each leaf's pattern where every condition is met, shape (leaves,).
        prior: log-odds before any tree.
        shape: of the tables that belong to this index.
    """

    def __init__(self, model: GradientBoostingClassifier, schema: FeatureSchema) -> None:
        self.fields = schema.fields
        self._schema = schema
        field_of = [self.fields.index(FEATURES[name].field) for name in schema.features]
        self.prior = prior_log_odds(model)
        leaves = [
            _Leaf(value, bounds, tuple(sorted({field_of[feature] for feature in bounds})))
            for value, bounds in _leaves(model)
        ]
        leaves.sort(key=lambda leaf: leaf.fields)  # stable: trees stay in order
        if max(len(leaf.fields) for leaf in leaves) > MAX_FIELDS_ON_A_PATH:
            raise ValueError(f"a path with more than {MAX_FIELDS_ON_A_PATH} fields; grow shallower trees")
        self._leaves = leaves
        self.leaf_value = np.array([leaf.value for leaf in leaves])
        self.all_met = np.array([(1 << len(leaf.fields)) - 1 for leaf in leaves], dtype=np.uint8)
        self._conditions = [
            (feature, _FeatureConditions(entries, len(leaves)))
            for feature, field in enumerate(field_of)
            if (
                entries := [
                    (i, 1 << leaf.fields.index(field), *leaf.bounds[feature])
                    for i, leaf in enumerate(leaves)
                    if feature in leaf.bounds
                ]
            )
        ]
        widths = [1 << len(leaf.fields) for leaf in leaves]
        self._offset = np.cumsum([0, *widths[:-1]], dtype=np.intp)
        width = max(1, *(len(leaf.fields) for leaf in leaves))
        self.shape = (sum(widths), width)
        kinds = list(dict.fromkeys(leaf.fields for leaf in leaves))
        first = {fields: i for i, fields in reversed(list(enumerate(leaf.fields for leaf in leaves)))}
        self._kind_starts = np.array([first[fields] for fields in kinds], dtype=np.intp)
        # A kind with fewer fields than the widest has empty columns; they go to a field that isn't there.
        nobody = len(self.fields)
        self._kind_fields = np.array([[*fields, *[nobody] * (width - len(fields))] for fields in kinds]).ravel()

    def patterns(self, row: NDArray[np.float32]) -> NDArray[np.uint8]:
        """For each leaf, which of its fields' conditions a feature vector, shape (k,), meets; shape (leaves,)."""
        patterns = self.all_met.copy()
        values = row.tolist()
        for feature, conditions in self._conditions:
            patterns &= conditions.standing(values[feature])
        return patterns

    def attribute(self, row: NDArray[np.float32], tables: Tables) -> NDArray[np.float64]:
        """One feature vector, shape (k,), to one attribution per field, in log-odds."""
        # Every index is in range by construction, and "clip" spares NumPy's buffered check of it: 40% of the time.
        picked = tables.values.take(self._offset + self.patterns(row), axis=0, mode="clip")
        by_kind = np.add.reduceat(picked, self._kind_starts, axis=0)
        by_field = np.bincount(self._kind_fields, weights=by_kind.ravel(), minlength=len(self.fields) + 1)
        return np.asarray(by_field[:-1], dtype=np.float64)

    def field_bits(self, field: str) -> NDArray[np.uint8]:
        """For each leaf, the bit of its pattern that stands for `field`, 0 where it has none; shape (leaves,)."""
        position = self.fields.index(field)
        bits = [1 << leaf.fields.index(position) if position in leaf.fields else 0 for leaf in self._leaves]
        return np.array(bits, dtype=np.uint8)

    def bounds(self, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each leaf, the half-open interval (low, high] that a numeric field of one feature must lie in."""
        (column,) = self._schema.columns(field)
        low, high = zip(*(leaf.bounds.get(column, (-np.inf, np.inf)) for leaf in self._leaves), strict=True)
        return np.array(low), np.array(high)

    def build_tables(self, reference: NDArray[np.float32]) -> Tables:
        """Work out every leaf's attributions against a reference population, shape (rows, k), rows ≥ 1."""
        counts = np.zeros(self.shape[0])
        for row in reference:
            counts[self._offset + self.patterns(row)] += 1
        values = np.zeros(self.shape)
        reached = np.zeros(len(self._leaves))
        for i, (leaf, start) in enumerate(zip(self._leaves, self._offset.tolist(), strict=True)):
            d = len(leaf.fields)
            shares = counts[start : start + (1 << d)] / len(reference)
            values[start : start + (1 << d), :d] = leaf.value * (_shapley_weights(d) @ shares).T
            reached[i] = shares[-1]
        return Tables(values, float(self.prior + self.leaf_value @ reached))


class Attributor:
    """A model's leaf index with its tables, ready to attribute.

    Raises:
        ValueError: the tables were not made for this model.
    """

    def __init__(self, index: LeafIndex, tables: Tables) -> None:
        if tables.values.shape != index.shape:
            raise ValueError(
                f"the tables have the shape {tables.values.shape} but the model needs {index.shape}; rebuild them"
            )
        self._index = index
        self._tables = tables
        self.fields = index.fields
        self.base_value = tables.base_value

    def attribute(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features, shape (n, k), to attributions, shape (n, len(fields)); each row by itself."""
        rows = [self._index.attribute(row, self._tables) for row in matrix]
        return np.array(rows).reshape(len(matrix), len(self.fields))


def _leaves(model: GradientBoostingClassifier) -> list[tuple[float, dict[int, tuple[float, float]]]]:
    """Every leaf as its value and, by feature, the bounds (low, high] that lead to it; trees in order."""
    leaves = []
    for (estimator,) in model.estimators_:
        tree = estimator.tree_
        left, right = tree.children_left.tolist(), tree.children_right.tolist()
        feature, threshold = tree.feature.tolist(), tree.threshold.tolist()
        stack: list[tuple[int, dict[int, tuple[float, float]]]] = [(0, {})]
        while stack:
            node, bounds = stack.pop()
            if left[node] < 0:
                leaves.append((float(model.learning_rate * tree.value[node, 0, 0]), bounds))
                continue
            low, high = bounds.get(feature[node], (-np.inf, np.inf))
            stack.append((right[node], bounds | {feature[node]: (max(low, threshold[node]), high)}))
            stack.append((left[node], bounds | {feature[node]: (low, min(high, threshold[node]))}))
    return leaves


@lru_cache(maxsize=MAX_FIELDS_ON_A_PATH + 1)
def _shapley_weights(d: int) -> NDArray[np.float64]:
    """Shapley values of a leaf of value 1: entry [field, applicant's pattern, reference's pattern].

    With A the fields that only the applicant meets and B those that only the reference does, the leaf is reached by the
    coalitions that hold all of A and none of B. Each of A is then worth (|A|-1)! |B|! / (|A|+|B|)!, each of B
    -|A|! (|B|-1)! / (|A|+|B|)!, and where a field is met by neither, nothing.
    """
    weights = np.zeros((d, 1 << d, 1 << d))
    for own in range(1 << d):
        for other in range(1 << d):
            if own | other != (1 << d) - 1:
                continue
            a, b = (own & ~other).bit_count(), (other & ~own).bit_count()
            for field in range(d):
                if own & ~other & (1 << field):
                    weights[field, own, other] = factorial(a - 1) * factorial(b) / factorial(a + b)
                elif other & ~own & (1 << field):
                    weights[field, own, other] = -factorial(a) * factorial(b - 1) / factorial(a + b)
    return weights
