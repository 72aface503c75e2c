"""The groups that a contract reports by, a column at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Columns, names_of
from preprocessing.contract import Contract
from preprocessing.groups import groups_of


class Grouping:
    """One way to group applicants.

    Attributes:
        title: what they are grouped by.
        names: of the groups, in order.
    """

    def __init__(self, contract: Contract, way: int) -> None:
        groups = groups_of(contract)[way]
        self.title, self.names = groups.title, groups.names
        self._field, self._below = groups.field, groups.below
        place = {name: i for i, name in enumerate(groups.names)}
        # Where nothing may be missing, nothing is.
        own = [place.get(groups.of({groups.field: name}), 0) for name in names_of(contract.by_name[groups.field])]
        self._of_name = np.array([*own, 0], dtype=np.intp)

    def places(self, columns: Columns) -> NDArray[np.intp]:
        """The place among `names` of each row's group."""
        column = columns[self._field]
        if column.numbers is None:
            return self._of_name[column.places]
        places: NDArray[np.intp] = np.searchsorted(self._below, column.numbers, side="right")
        return places if column.places is None else np.where(column.places < 0, places, self._of_name[column.places])


def groupings(contract: Contract) -> list[Grouping]:
    """Every way that the contract names."""
    return [Grouping(contract, way) for way in range(len(contract.groups))]
