"""From an application to the vector that the model sees: the one implementation that training and serving share.

A contract says which features there are, training what stands in for a missing number. Both travel with the model, and
nothing is ever learned from the other rows of a request, so an application's answer depends on that application alone.
Every feature is computed from exactly one field, so that an attribution to features adds up to one per field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.documents import Strict
from preprocessing.fields import Feature

RowOf = Callable[[Application], list[float]]


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

    def columns(self, field: str) -> list[int]:
        """The positions of the features made of `field`."""
        return [i for i, feature in enumerate(self.contract.features) if feature.field == field]

    def matrix(self, applications: Sequence[Application]) -> NDArray[np.float32]:
        """Features of many applications, shape (len(applications), len(features)).

        float32, since that is what scikit-learn's trees compare; the cast happens once, here.
        """
        row = self.row
        rows = [row(application) for application in applications]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.features))


def compile_row(features: Sequence[Feature], cleaning: Mapping[str, float]) -> RowOf:
    """The function from an application to its features as Python numbers, as straight-line code.

    No text of a contract is part of that code but as a literal: its names are numbered, whatever fields are called.
    """
    names: dict[str, Any] = {}
    parts = []
    groups = groupby(features, key=lambda feature: (feature.field, feature.kind))
    for i, ((field, kind), group) in enumerate(groups):
        made = list(group)
        value = f"a[{field!r}]"
        if kind == "flag":
            flagged = dict.fromkeys(chain.from_iterable(feature.values for feature in made))
            table = {state: tuple(float(state in feature.values) for feature in made) for state in flagged}
            names[f"flags_{i}"], names[f"none_{i}"] = table.get, (0.0,) * len(made)
            parts.append(f"*flags_{i}({value}, none_{i})")
        elif made[0].ranks is not None:
            names[f"ranks_{i}"] = {None: cleaning.get(field), **made[0].ranks}
            parts.append(f"ranks_{i}[{value}]")
        elif field in cleaning:
            names[f"constant_{i}"] = cleaning[field]
            parts.append(f"constant_{i} if (v := {value}) is None or v.__class__ is str else v")
        else:
            parts.append(value)
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
