"""Answers as columns: what the service's answers hold, one row an application, in Arrow's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import Identity
from engine.columnar.deciding import OUTCOMES

ROW = "row"
_NAMED = pa.dictionary(pa.int32(), pa.string())
QUARANTINE = pa.schema([(ROW, pa.int64()), ("field", _NAMED), ("kind", _NAMED)])
"""Of the rows that have no answer: where, and what kind of error; one row for each wrong field."""


class Lists(NamedTuple):
    """A list of names for each of some rows.

    Attributes:
        offsets: where each row's begin, and where the last ends, shape (rows + 1,).
        places: of all rows' names among `names`.
        names: that there are.
    """

    offsets: NDArray[np.int32]
    places: NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def chosen(cls, lists: Sequence[Sequence[str]], of_row: NDArray[np.intp]) -> Self:
        """From the lists that there are, and which of them each row has."""
        names = tuple(dict.fromkeys(name for each in lists for name in each))
        lengths = np.array([len(each) for each in lists], dtype=np.int32)
        places = np.zeros((len(lists), max(1, lengths.max())), dtype=np.intp)
        for i, each in enumerate(lists):
            places[i, : len(each)] = [names.index(name) for name in each]
        offsets = np.zeros(len(of_row) + 1, dtype=np.int32)
        np.cumsum(lengths[of_row], out=offsets[1:])
        there = np.arange(places.shape[1]) < lengths[of_row][:, np.newaxis]
        return cls(offsets, places[of_row][there], names)

    @classmethod
    def where(cls, masks: Mapping[str, NDArray[np.bool_]], rows: int) -> Self:
        """From masks, one for each name: in each row the names whose mask holds there, in their order."""
        holds = np.zeros((rows, len(masks)), dtype=np.bool_)
        for i, mask in enumerate(masks.values()):
            holds[:, i] = mask
        offsets = np.zeros(rows + 1, dtype=np.int32)
        np.cumsum(np.count_nonzero(holds, axis=1), out=offsets[1:])
        return cls(offsets, np.nonzero(holds)[1], tuple(masks))

    def arrow(self) -> pa.ListArray:
        """As a column."""
        return pa.ListArray.from_arrays(pa.array(self.offsets), pa.array(self.names, pa.string()).take(self.places))


class Answers(NamedTuple):
    """What is said of some applications, in one order.

    Attributes:
        rows: their numbers in the table that they are from, rising.
        outcome: place among `OUTCOMES`.
        prediction: 1 where the PD reaches the reject threshold.
        pd: probability of default.
        score: on the policy's scale.
        outside: fields outside the training range.
        reasons: codes; None where they weren't asked for.
        attributions: of the scored fields, shape (n, fields); None where they weren't asked for.
    """

    rows: NDArray[np.int64]
    outcome: NDArray[np.int8]
    prediction: NDArray[np.int8]
    pd: NDArray[np.float64]
    score: NDArray[np.int64]
    outside: Lists
    reasons: Lists | None = None
    attributions: NDArray[np.float64] | None = None

    def columns(self, identity: Identity, base_value: float, scored: Sequence[str]) -> dict[str, pa.Array]:
        """All but the row's number and what is carried along, by name."""
        n = len(self.rows)
        columns = {
            "decision": _named(self.outcome, OUTCOMES),
            "prediction": pa.array(self.prediction, pa.int8()),
            "probability_of_default": pa.array(self.pd, pa.float64()),
            "credit_score": pa.array(self.score, pa.int64()),
        }
        if self.reasons is not None:
            columns["reasons"] = self.reasons.arrow()
        columns["outside_training_range"] = self.outside.arrow()
        if self.attributions is not None:
            columns["base_value"] = pa.array(np.full(n, base_value))
            parts = [pa.array(np.ascontiguousarray(column)) for column in self.attributions.T]
            columns["attributions"] = pa.StructArray.from_arrays(parts, names=list(scored))
        zeros = np.zeros(n, dtype=np.int32)
        for name in ("model_name", "model_version", "policy_version"):
            columns[name] = _named(zeros, [getattr(identity, name)])
        return columns


def answer_fields(scored: Sequence[str], *, reasons: bool, explain: bool) -> list[pa.Field]:
    """The types of `Answers.columns`."""
    fields = [
        pa.field("decision", _NAMED),
        pa.field("prediction", pa.int8()),
        pa.field("probability_of_default", pa.float64()),
        pa.field("credit_score", pa.int64()),
    ]
    if reasons:
        fields.append(pa.field("reasons", pa.list_(pa.string())))
    fields.append(pa.field("outside_training_range", pa.list_(pa.string())))
    if explain:
        fields.append(pa.field("base_value", pa.float64()))
        fields.append(pa.field("attributions", pa.struct([(name, pa.float64()) for name in scored])))
    return [*fields, *(pa.field(name, _NAMED) for name in ("model_name", "model_version", "policy_version"))]


def _named(places: NDArray[np.integer], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(map(str, names), pa.string()))
