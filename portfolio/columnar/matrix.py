"""Columns to the matrix that the model sees: the bits of `FeatureSchema.matrix`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from portfolio.columnar.columns import Column, Columns, names_of
from preprocessing.base import Feature
from preprocessing.features import FeatureSchema


class _Number(NamedTuple):
    """A column of numbers: what stands for each name, NaN where the contract knows of none; then for a number, any."""

    field: str
    column: int
    of_name: NDArray[np.float32]
    ranked: bool

    def fill(self, column: Column, matrix: NDArray[np.float32]) -> None:
        if self.ranked:
            matrix[:, self.column] = self.of_name[column.places]
            return
        assert column.numbers is not None
        matrix[:, self.column] = column.numbers
        if column.places is not None:
            named = np.flatnonzero(column.places >= 0)
            matrix[named, self.column] = self.of_name[column.places[named]]


class _Flags(NamedTuple):
    """Columns of flags: which of them are 1 for each name; then for a number, none."""

    field: str
    columns: slice
    of_name: NDArray[np.float32]

    def fill(self, column: Column, matrix: NDArray[np.float32]) -> None:
        if column.places is None:
            matrix[:, self.columns] = self.of_name[-1]
        else:
            matrix[:, self.columns] = self.of_name.take(column.places, axis=0)


class Matrix:
    """A model's features, ready to be made of columns."""

    def __init__(self, schema: FeatureSchema) -> None:
        fields = schema.contract.by_name
        self._width = len(schema.features)
        self._parts: list[_Number | _Flags] = []
        at = 0
        for (name, kind), group in groupby(schema.contract.features, key=lambda feature: (feature.field, feature.kind)):
            made = list(group)
            names = names_of(fields[name])
            if kind == "flag":
                flags = [[value in feature.values for feature in made] for value in names]
                table = np.array([*flags, [False] * len(made)], dtype=np.float32)
                self._parts.append(_Flags(name, slice(at, at + len(made)), table))
            else:
                self._parts += self._numbers(made, at, schema)
            at += len(made)

    @staticmethod
    def _numbers(made: Sequence[Feature], at: int, schema: FeatureSchema) -> list[_Number]:
        parts = []
        for i, feature in enumerate(made):
            constant = schema.cleaning.get(feature.field, np.nan)
            stands = {**feature.stand_ins, **(feature.ranks or {})}
            names = names_of(schema.contract.by_name[feature.field])
            table = np.array([*(stands.get(name, constant) for name in names), np.nan], dtype=np.float32)
            parts.append(_Number(feature.field, at + i, table, feature.ranks is not None))
        return parts

    def of(self, columns: Columns, rows: int) -> NDArray[np.float32]:
        """Features, shape (rows, features)."""
        matrix = np.empty((rows, self._width), dtype=np.float32)
        for part in self._parts:
            part.fill(columns[part.field], matrix)
        return matrix
