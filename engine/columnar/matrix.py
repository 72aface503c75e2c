"""Columns to the matrix that the model sees, the bits of `FeatureSchema.matrix`, or straight to the rows of its tables.

A model looks turns up in tables by the intervals that an application's features lie in. What has a name lies in the
same ones each time, so that only numbers are searched for.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Column, Columns, names_of
from preprocessing.base import Feature
from preprocessing.features import FeatureSchema
from scoring.turns import TurnTables


class _Number(NamedTuple):
    """A column of numbers: what stands for each name, then for a number anything."""

    field: str
    column: int
    of_name: NDArray[np.float32]

    def fill(self, column: Column, out: NDArray[np.float32]) -> None:
        assert column.numbers is not None
        out[:] = column.numbers
        if column.places is not None:
            named = np.flatnonzero(column.places >= 0)
            out[named] = self.of_name[column.places[named]]


class _Named(NamedTuple):
    """Columns of flags, or of a rank: what they are for each name, then for a number."""

    field: str
    columns: slice
    of_name: NDArray[np.float32]


class Matrix:
    """A model's features, ready to be made of columns.

    Attributes:
        numbers: the features that are searched for.
        named: those that follow from a name.
        width: all features.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self.numbers: list[_Number] = []
        self.named: list[_Named] = []
        self.width = len(schema.features)
        at = 0
        for (name, _), group in groupby(schema.contract.features, key=lambda feature: (feature.field, feature.kind)):
            made = list(group)
            names = names_of(schema.contract.by_name[name])
            constant = schema.cleaning.get(name, np.nan)
            table = np.array(
                [[_of_name(feature, value, constant) for feature in made] for value in [*names, _NO_NAME]],
                dtype=np.float32,
            )
            if made[0].kind == "number" and made[0].ranks is None:
                self.numbers += [_Number(name, at + i, table[:, i]) for i in range(len(made))]
            else:
                self.named.append(_Named(name, slice(at, at + len(made)), table))
            at += len(made)

    def of(self, columns: Columns, rows: int) -> NDArray[np.float32]:
        """Features, shape (rows, features)."""
        matrix = np.empty((rows, self.width), dtype=np.float32)
        for number in self.numbers:
            number.fill(columns[number.field], matrix[:, number.column])
        for field, where, of_name in self.named:
            places = columns[field].places
            matrix[:, where] = of_name[-1] if places is None else of_name.take(places, axis=0)
        return matrix


class TableRows:
    """A model's tables, ready to be looked up by columns.

    What a field adds to the rows of the tables adds up, so that another value of it is another addend.
    """

    def __init__(self, matrix: Matrix, tables: TurnTables) -> None:
        self._tables = tables
        self._numbers = matrix.numbers
        self._searched = np.array([number.column for number in matrix.numbers], dtype=np.intp)
        nothing = np.zeros((1, matrix.width), dtype=np.float32)
        # What features of a name add, each compared with what it adds where it is 0.
        self._zero = tables.rows(nothing)[0] - tables.rows(nothing[:, self._searched], self._searched)[0]
        self._named: dict[str, list[NDArray[np.int64]]] = {}
        for field, where, of_name in matrix.named:
            added = tables.rows(np.nan_to_num(of_name), where) - tables.rows(nothing[:, where], where)
            self._named.setdefault(field, []).append(added)
        self._numbers_of: dict[str, list[_Number]] = {}
        for number in matrix.numbers:
            self._numbers_of.setdefault(number.field, []).append(number)

    def of(self, columns: Columns, rows: int) -> NDArray[np.int64]:
        """A row of each table, shape (rows, tables)."""
        matrix = np.empty((rows, len(self._numbers)), dtype=np.float32)
        for i, number in enumerate(self._numbers):
            number.fill(columns[number.field], matrix[:, i])
        found = self._tables.rows(matrix, self._searched)
        found += self._zero
        for field in self._named:
            found += self._of_names(field, columns[field])
        return found

    def of_field(self, field: str, column: Column) -> NDArray[np.int64]:
        """What a field's values add, all but for an addend that is the same for all; shape (rows or 1, tables)."""
        found = self._of_names(field, column)
        for number in self._numbers_of.get(field, ()):
            matrix = np.empty((column.size, 1), dtype=np.float32)
            number.fill(column, matrix[:, 0])
            found = found + self._tables.rows(matrix, np.array([number.column]))
        return found

    def _of_names(self, field: str, column: Column) -> NDArray[np.int64]:
        places = column.places
        parts = [added[-1:] if places is None else added.take(places, axis=0) for added in self._named.get(field, ())]
        return sum(parts[1:], parts[0]) if parts else np.zeros((1, 1), dtype=np.int64)


_NO_NAME = object()
"""Of a number: no flag is 1."""


def _of_name(feature: Feature, name: Any, constant: float) -> float:
    if feature.kind == "flag":
        return float(name in feature.values)
    return {**feature.stand_ins, **(feature.ranks or {})}.get(name, constant)
