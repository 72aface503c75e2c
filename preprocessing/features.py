"""From an application to the vector that the model sees: the one implementation that training and serving share.

A contract says which features there are, training what stands in for a missing number. Both travel with the model, and
nothing is ever learned from the other rows of a request, so an application's answer depends on that application alone.
Every feature is computed from exactly one field, so that an attribution to features adds up to one per field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby
from statistics import median
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application
from preprocessing.base import Direction
from preprocessing.contract import Contract
from preprocessing.documents import Strict
from preprocessing.fields import Feature

RowOf = Callable[[Application], list[float]]

MOST_WRITTEN_OUT = 1024
"""Features, beyond which nearly all are flags that are 0, and a matrix is filled by where the ones are."""


SIGNS: Mapping[Direction | None, int] = MappingProxyType({"rises": 1, "falls": -1, None: 0})


class SchemaFile(Strict):
    """The artifact `feature_schema.json`: what the contract makes of an application, and what training learned for it.

    Attributes:
        format: of the file.
        features: the model's columns in order, for whoever opens the model elsewhere.
        cleaning: field to the number that stands in where it has none: the training data's median.
    """

    format: Literal[2]
    features: list[str]
    cleaning: dict[str, float]


class FeatureSchema:
    """A contract's features with the constants that stand in for missing numbers.

    Attributes:
        contract: whose features they are.
        cleaning: field to constant.
        features: names of the columns, in order.
        fields: the scored fields, each once, in the order of their first feature.

    Raises:
        ValueError: the constants are not those that the contract needs.
    """

    def __init__(self, contract: Contract, cleaning: Mapping[str, float]) -> None:
        if wrong := sorted(set(contract.imputed) ^ set(cleaning)):
            raise ValueError(f"the contract asks for other cleaning constants than there are: {', '.join(wrong)}")
        self.contract = contract
        self.cleaning = dict(cleaning)
        self.features = [feature.name for feature in contract.features]
        self.fields = contract.scored
        self.row: RowOf = compile_row(contract.features, cleaning)
        self._marks = compile_marks(contract.features, cleaning) if len(self.features) > MOST_WRITTEN_OUT else None

    @classmethod
    def learned(cls, contract: Contract, applications: Sequence[Application]) -> FeatureSchema:
        """With the medians of the numbers that are there; for training only.

        Raises:
            ValueError: a field has none.
        """
        return cls(contract, {field: _median(contract, field, applications) for field in contract.imputed})

    @property
    def file(self) -> SchemaFile:
        """As an artifact."""
        return SchemaFile(format=2, features=self.features, cleaning=self.cleaning)

    @property
    def directions(self) -> list[int]:
        """Of each column, 1 where the risk rises with it, -1 where it falls, 0 where it may do either."""
        return [SIGNS[feature.direction] for feature in self.contract.features]

    def columns(self, field: str) -> list[int]:
        """The positions of the features made of `field`."""
        return [i for i, feature in enumerate(self.contract.features) if feature.field == field]

    def matrix(self, applications: Sequence[Application]) -> NDArray[np.float32]:
        """Features of many applications, shape (len(applications), len(features)).

        float32, since that is what scikit-learn's trees compare; the cast happens once, here.
        """
        if self._marks is not None:
            return self._marks.matrix(applications)
        row = self.row
        rows = [row(application) for application in applications]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.features))


def compile_row(features: Sequence[Feature], cleaning: Mapping[str, float]) -> RowOf:
    """The function from an application to its features as Python numbers, as straight-line code.

    No text of a contract is part of that code but as a literal: its names are numbered, whatever fields are called.
    """
    names: dict[str, Any] = {}
    parts = []
    for (field, kind), group in groupby(features, key=lambda feature: (feature.field, feature.kind)):
        made = list(group)
        if kind == "flag":
            flagged = dict.fromkeys(chain.from_iterable(feature.values for feature in made))
            table = {state: tuple(float(state in feature.values) for feature in made) for state in flagged}
            flags, none = _bound(names, table.get), _bound(names, (0.0,) * len(made))
            parts.append(f"*{flags}(a[{field!r}], {none})")
        else:
            parts += [_number(feature, cleaning, names) for feature in made]
    return _compiled(parts, names)


class Marks(NamedTuple):
    """Features as their numbers, and as the columns of the flags that are 1.

    Attributes:
        row: from an application to its numbers, then the column of each field's flag, -1 where none is 1.
        numbers: columns of the numbers.
        width: all columns.
    """

    row: RowOf
    numbers: Sequence[int]
    width: int

    def matrix(self, applications: Sequence[Application]) -> NDArray[np.float32]:
        """As `FeatureSchema.matrix`."""
        shape = len(applications), self.width
        matrix = np.zeros(shape, dtype=np.float32)
        if applications:
            rows = np.array([self.row(application) for application in applications])
            matrix[:, self.numbers] = rows[:, : len(self.numbers)]
            columns = rows[:, len(self.numbers) :].astype(np.intp)
            row, mark = np.nonzero(columns >= 0)
            matrix[row, columns[row, mark]] = 1
        return matrix


def compile_marks(features: Sequence[Feature], cleaning: Mapping[str, float]) -> Marks:
    """The same as `compile_row` for many flags, of which a value makes at most one of its field 1."""
    names: dict[str, Any] = {}
    marks = []
    numbers = [i for i, feature in enumerate(features) if feature.kind == "number"]
    parts = [_number(features[i], cleaning, names) for i in numbers]
    columns: dict[str, dict[Any, float]] = {}
    for i, feature in enumerate(features):
        if feature.kind == "flag":
            columns.setdefault(feature.field, {}).update(dict.fromkeys(feature.values, float(i)))
    for field, column in columns.items():
        marks.append(f"{_bound(names, column.get)}(a[{field!r}], -1.0)")
    return Marks(_compiled([*parts, *marks], names), numbers, len(features))


def _number(feature: Feature, cleaning: Mapping[str, float], names: dict[str, Any]) -> str:
    """The expression of a number among an application's features, and in `names` what it needs."""
    field, constant = feature.field, cleaning.get(feature.field)
    if feature.ranks is not None:
        return f"{_bound(names, {None: constant, **feature.stand_ins, **feature.ranks})}[a[{field!r}]]"
    if feature.stand_ins:
        otherwise = f"{_bound(names, dict(feature.stand_ins).get)}(v, {_bound(names, constant)})"
    elif feature.imputed:
        otherwise = _bound(names, constant)
    else:
        return f"a[{field!r}]"
    return f"{otherwise} if (v := a[{field!r}]) is None or v.__class__ is str else v"


def _bound(names: dict[str, Any], value: Any) -> str:
    """A name for a value in compiled code: numbered, since no text of a contract may be part of that code."""
    name = f"n{len(names)}"
    names[name] = value
    return name


def _compiled(parts: Sequence[str], names: dict[str, Any]) -> RowOf:
    row: RowOf = eval(f"lambda a: [{', '.join(parts)}]", names)  # noqa: S307  # literals and numbered names only
    return row


def _median(contract: Contract, field: str, applications: Sequence[Application]) -> float:
    ranks = next(feature.ranks for feature in contract.features if feature.field == field)
    present = [
        value if ranks is None else ranks[value]
        for value in (application[field] for application in applications)
        if value is not None and (ranks is not None or not isinstance(value, str))
    ]
    if not present:
        raise ValueError(f"{field} has no number in any row")
    return float(median(present))
