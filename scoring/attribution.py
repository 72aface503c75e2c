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
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import factorial
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.features import FEATURES, FeatureSchema

MAX_FIELDS_ON_A_PATH = 8
"""A pattern is one byte. A tree of depth 8 or less can't have more."""


@dataclass(frozen=True)
class Tables:
    """What training precomputes: numbers only, and no row of the data.

    Attributes:
        values: for every (field, leaf) pair of the `LeafIndex`, in its order, the 2^d attributions by pattern; float64.
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
        if values.ndim != 1 or values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError("attribution tables must be one finite float64 vector")
        return cls(values, base_value)


@dataclass(frozen=True)
class _Conditions:
    """All leaves' conditions on one feature, arranged so that those that a value fails are two slices."""

    upper: NDArray[np.float64]
    upper_leaf: NDArray[np.intp]
    upper_mask: NDArray[np.uint8]
    lower: NDArray[np.float64]
    lower_leaf: NDArray[np.intp]
    lower_mask: NDArray[np.uint8]


class LeafIndex:
    """All leaves of a boosted ensemble, with the conditions on the way to each, by field.

    Attributes:
        fields: the players, in the schema's order.
        leaf_value: each leaf's contribution to the log-odds, shape (leaves,).
        leaf_fields: each leaf's fields, as positions in `fields`; bit s of a leaf's pattern is its s-th field.
        prior: log-odds before any tree.
        all_met: each leaf's pattern where every condition is met, shape (leaves,).
        size: length of the tables that belong to this index.
    """

    def __init__(self, model: GradientBoostingClassifier, schema: FeatureSchema) -> None:
        self.fields = schema.fields
        self._schema = schema
        field_of = [self.fields.index(FEATURES[name].field) for name in schema.features]
        self.prior = float(model._raw_predict_init(np.zeros((1, len(field_of)), dtype=np.float32))[0, 0])  # noqa: SLF001  # no public way to the prior
        values: list[float] = []
        self._leaf_bounds: list[dict[int, tuple[float, float]]] = []
        self.leaf_fields: list[tuple[int, ...]] = []
        upper: list[list[tuple[float, int, int]]] = [[] for _ in field_of]
        lower: list[list[tuple[float, int, int]]] = [[] for _ in field_of]
        for leaf, (value, bounds) in enumerate(_leaves(model)):
            fields = tuple(sorted({field_of[feature] for feature in bounds}))
            values.append(value)
            self._leaf_bounds.append(bounds)
            self.leaf_fields.append(fields)
            for feature, (low, high) in bounds.items():
                mask = 0xFF ^ (1 << fields.index(field_of[feature]))
                if high < np.inf:
                    upper[feature].append((high, leaf, mask))
                if low > -np.inf:
                    lower[feature].append((low, leaf, mask))
        if max(map(len, self.leaf_fields), default=0) > MAX_FIELDS_ON_A_PATH:
            raise ValueError(f"a path with more than {MAX_FIELDS_ON_A_PATH} fields; grow shallower trees")
        self.leaf_value = np.array(values)
        self._conditions = [_conditions(u, w) for u, w in zip(upper, lower, strict=True)]
        self.all_met = np.array([(1 << len(fields)) - 1 for fields in self.leaf_fields], dtype=np.uint8)
        pairs = sorted((field, leaf) for leaf, fields in enumerate(self.leaf_fields) for field in fields)
        widths = [1 << len(self.leaf_fields[leaf]) for _, leaf in pairs]
        self._pair_leaf = np.array([leaf for _, leaf in pairs], dtype=np.intp)
        self._pair_offset = (
            np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.intp) if pairs else np.zeros(0, np.intp)
        )
        self._pair_field = np.array([field for field, _ in pairs], dtype=np.intp)
        self._used_fields, self._starts = np.unique(self._pair_field, return_index=True)
        self.size = sum(widths)

    def patterns(self, row: NDArray[np.float32]) -> NDArray[np.uint8]:
        """For each leaf, which of its fields' conditions a feature vector, shape (k,), meets; shape (leaves,)."""
        patterns = self.all_met.copy()
        for value, c in zip(row.tolist(), self._conditions, strict=True):
            failed = c.upper.searchsorted(value, "left")  # upper < value
            if failed:
                patterns[c.upper_leaf[:failed]] &= c.upper_mask[:failed]
            met = c.lower.searchsorted(value, "left")  # lower < value
            if met < len(c.lower):
                patterns[c.lower_leaf[met:]] &= c.lower_mask[met:]
        return patterns

    def attribute(self, row: NDArray[np.float32], tables: Tables) -> NDArray[np.float64]:
        """One feature vector, shape (k,), to one attribution per field, in log-odds."""
        attributions = np.zeros(len(self.fields))
        if self.size:
            picked = tables.values.take(self.patterns(row).take(self._pair_leaf) + self._pair_offset)
            attributions[self._used_fields] = np.add.reduceat(picked, self._starts)
        return attributions

    def field_bits(self, field: str) -> NDArray[np.uint8]:
        """For each leaf, the bit of its pattern that stands for `field`, 0 where it has none; shape (leaves,)."""
        position = self.fields.index(field)
        return np.array(
            [1 << fields.index(position) if position in fields else 0 for fields in self.leaf_fields], dtype=np.uint8
        )

    def bounds(self, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each leaf, the half-open interval (low, high] that a numeric field of one feature must lie in."""
        (column,) = self._schema.columns(field)
        low, high = zip(*(bounds.get(column, (-np.inf, np.inf)) for bounds in self._leaf_bounds), strict=True)
        return np.array(low), np.array(high)

    def build_tables(self, reference: NDArray[np.float32]) -> Tables:
        """Work out every leaf's attributions against a reference population, shape (rows, k), rows ≥ 1."""
        widths = np.array([1 << len(fields) for fields in self.leaf_fields], dtype=np.intp)
        starts = np.concatenate([[0], np.cumsum(widths)])
        counts = np.zeros(int(starts[-1]))
        for row in reference:
            counts[starts[:-1] + self.patterns(row)] += 1
        values = np.zeros(self.size)
        shares = [counts[a:b] / len(reference) for a, b in pairwise(starts.tolist())]
        for i, leaf in enumerate(self._pair_leaf.tolist()):
            fields = self.leaf_fields[leaf]
            slot = fields.index(int(self._pair_field[i]))
            offset = int(self._pair_offset[i])
            weights = _shapley_weights(len(fields))[slot]
            values[offset : offset + len(weights)] = self.leaf_value[leaf] * (weights @ shares[leaf])
        reached = np.array([share[-1] for share in shares])
        return Tables(values, float(self.prior + self.leaf_value @ reached))


class Attributor:
    """A model's leaf index with its tables, ready to attribute.

    Raises:
        ValueError: the tables were not made for this model.
    """

    def __init__(self, index: LeafIndex, tables: Tables) -> None:
        if len(tables.values) != index.size:
            raise ValueError(
                f"the tables hold {len(tables.values)} numbers but the model needs {index.size}; rebuild them"
            )
        self._index = index
        self._tables = tables
        self.fields = index.fields
        self.base_value = tables.base_value

    def attribute(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features, shape (n, k), to attributions, shape (n, len(fields)); each row by itself."""
        return np.array([self._index.attribute(row, self._tables) for row in matrix]).reshape(
            len(matrix), len(self.fields)
        )


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


def _conditions(upper: list[tuple[float, int, int]], lower: list[tuple[float, int, int]]) -> _Conditions:
    def columns(
        entries: list[tuple[float, int, int]],
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.uint8]]:
        bound, leaf, mask = zip(*sorted(entries), strict=True) if entries else ((), (), ())
        return np.array(bound, np.float64), np.array(leaf, np.intp), np.array(mask, np.uint8)

    return _Conditions(*columns(upper), *columns(lower))


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
