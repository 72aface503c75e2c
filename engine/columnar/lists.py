"""A list for each of many rows, of which few differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np

from engine.columnar.columns import Mask

T = TypeVar("T")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Lists(Generic[T]):
    """The lists of some rows.

    Attributes:
        distinct: those that there are, some perhaps of no row; the first is empty.
        of_row: the place of each row's among them.
    """

    distinct: Sequence[tuple[T, ...]]
    of_row: Sequence[int]

    @classmethod
    def where(cls, named: Sequence[tuple[T, Mask | None]], rows: int) -> Self:
        """From what each row may have, and where it does; None for nowhere. In each row they keep their order."""
        there = [(value, mask) for value, mask in named if mask is not None]
        if not there:
            return cls([()], [0] * rows)
        bits = np.packbits(np.array([mask for _, mask in there]), axis=0)
        keys: list[bytes] = np.ascontiguousarray(bits.T).view(f"V{len(bits)}").ravel().tolist()
        places = {bytes(len(bits)): 0}
        distinct: list[tuple[T, ...]] = [()]
        for row, key in enumerate(keys):
            if key not in places:
                places[key] = len(distinct)
                distinct.append(tuple([value for value, mask in there if mask[row]]))
        return cls(distinct, [places[key] for key in keys])

    def each(self, told: Callable[[tuple[T, ...]], Told]) -> list[Told]:
        """What is told of each row's list; it is made once of each that there is."""
        made = [*map(told, self.distinct)]
        return [made[place] for place in self.of_row]
