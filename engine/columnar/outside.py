"""Which fields lie outside the training data's range, a column at a time: what `KnownRanges.outside` says of one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.columnar.columns import Columns, Mask, names_of
from preprocessing.contract import Contract
from scoring.ranges import Known, KnownRanges


class Outside(NamedTuple):
    """Where a field lies outside.

    Attributes:
        all: on either side.
        worse: on the side that a rule may count.
    """

    all: Mask
    worse: Mask


class Ranges:
    """The training data's ranges, ready to be asked of columns."""

    def __init__(self, contract: Contract, ranges: KnownRanges) -> None:
        self._known = ranges.known
        self._of_name = {name: _of_names(contract, name, known) for name, known in ranges.known.items()}

    def outside(self, columns: Columns) -> dict[str, Outside]:
        """Scored fields, in the contract's order, of which some row lies outside, and where."""
        found = {}
        for name, known in self._known.items():
            column, (of_name, worse_name) = columns[name], self._of_name[name]
            all_, worse = (
                (of_name[column.places], worse_name[column.places]) if column.places is not None else (None, None)
            )
            if column.numbers is not None:
                above, below = column.numbers > known.high, column.numbers < known.low
                if column.places is not None:
                    is_number = column.places < 0
                    above &= is_number
                    below &= is_number
                beyond = above | below
                against = (above & known.above_is_worse) | (below & known.below_is_worse)
                all_, worse = (beyond, against) if all_ is None or worse is None else (all_ | beyond, worse | against)
            assert all_ is not None
            assert worse is not None
            if all_.any():
                found[name] = Outside(all_, worse)
        return found


def _of_names(contract: Contract, field: str, known: Known) -> tuple[Mask, Mask]:
    """For each name and then for a number, whether it lies outside, and whether that counts; numbers are compared."""
    counts = [known.unseen.get(name) for name in names_of(contract.by_name[field])]
    return np.array([*(c is not None for c in counts), False]), np.array([*(c is True for c in counts), False])
