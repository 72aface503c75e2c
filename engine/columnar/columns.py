"""A field's values a column at a time, as the contract reads them one by one.

A value is a number, or one of the few names that a field knows: its categories, the states of its special codes, None
where it is missing. So whatever a contract, a policy or a range says of names is a table with an entry for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocessing.base import Value
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number, Ratio

NUMBER = -1
"""The place of what is a number and has no name."""

Mask = NDArray[np.bool_]
Places = NDArray[np.int16]
Columns = Mapping[str, "Column"]
"""Field to its values."""


class Column(NamedTuple):
    """A field's values, shape (n,).

    Attributes:
        names: that a value may have instead of a number, None the last.
        places: of each value among them, NUMBER for a number; None where all are numbers.
        numbers: float64, any where there is a name; None for a field that has no numbers.
    """

    names: tuple[Value, ...]
    places: Places | None
    numbers: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        """How many values there are."""
        values = self.numbers if self.numbers is not None else self.places
        assert values is not None
        return len(values)

    def take(self, rows: NDArray[np.intp]) -> Column:
        """Some of the rows."""
        places = None if self.places is None else self.places[rows]
        return Column(self.names, places, None if self.numbers is None else self.numbers[rows])

    def values(self) -> list[Any]:
        """As an application has them, but that a whole number is a float."""
        numbers: Iterable[Any] = self.numbers.tolist() if self.numbers is not None else ()
        if self.places is None:
            return list(numbers)
        if self.numbers is None:
            return [self.names[place] for place in self.places.tolist()]
        return [
            number if place == NUMBER else self.names[place]
            for place, number in zip(self.places.tolist(), numbers, strict=True)
        ]

    def is_number(self) -> Mask | None:
        """Which values are numbers; None for all of them."""
        return None if self.places is None else self.places == NUMBER


def names_of(field: AnyField) -> tuple[Value, ...]:
    """What a value of a field may be beside a number."""
    return (*field.choices, *field.states, None)


def number_column(field: Number | Integer, stated: NDArray[np.float64], missing: Mask | None) -> tuple[Column, Mask]:
    """A column of numbers, and which of them certainly are what the contract takes.

    Args:
        field: whose they are.
        stated: NaN where nothing is.
        missing: where nothing is; None for nowhere.
    """
    numbers = stated + 0.0 if isinstance(field, Integer) else stated  # a whole number has no negative zero
    certain = (numbers >= field.least) & (numbers <= field.greatest)
    if isinstance(field, Integer):
        certain &= numbers == np.floor(numbers)
    if missing is None and not field.codes:
        return Column(names_of(field), None, numbers), certain
    places = np.full(len(numbers), NUMBER, dtype=np.int16)
    for place, code in enumerate(field.codes.values()):
        coded = numbers == code
        places[coded] = place
        certain |= coded
    if missing is not None:
        places[missing] = len(field.codes)
        certain = certain | missing if field.optional else certain & ~missing
    return Column(names_of(field), places, numbers), certain


def ratio_column(
    field: Ratio, columns: Columns, stated: NDArray[np.float64] | None, missing: Mask | None
) -> tuple[Column, Mask | None]:
    """A ratio's column as computed, and where what is stated certainly agrees; None for everywhere."""
    above, below = columns[field.numerator], columns[field.denominator]
    assert above.numbers is not None
    assert below.numbers is not None
    # Rows that are no application may divide by whatever they hold.
    with np.errstate(all="ignore"):
        exact = above.numbers / below.numbers
    there = _both(above.is_number(), below.is_number())
    places = None if there is None else np.where(there, np.int16(NUMBER), np.int16(0))
    column = Column((None,), places, exact)
    if stated is None:
        return column, None
    with np.errstate(invalid="ignore"):
        off = np.abs(stated - exact) > field.tolerance * np.maximum(1.0, exact) * (1 + 1e-9)
    if there is not None:
        off &= there
    agrees = (stated >= 0) & (stated <= field.maximum) & ~off
    return column, agrees if missing is None else agrees | missing


def with_values(columns: Columns, rows: NDArray[np.intp], applications: Sequence[Mapping[str, Any]]) -> Columns:
    """The same columns with some rows as they were read one by one."""
    changed = {}
    for name, column in columns.items():
        values = [application[name] for application in applications]
        named = [value is None or isinstance(value, str) for value in values]
        place = {known: i for i, known in enumerate(column.names)}
        places, numbers = column.places, column.numbers
        if places is not None or any(named):
            places = np.full(len(numbers), NUMBER, np.int16) if places is None and numbers is not None else places
            assert places is not None
            places = places.copy()
            places[rows] = [place[value] if is_name else NUMBER for value, is_name in zip(values, named, strict=True)]
        if numbers is not None:
            numbers = numbers.copy()
            numbers[rows] = [0.0 if is_name else value for value, is_name in zip(values, named, strict=True)]
        changed[name] = Column(column.names, places, numbers)
    return changed


def column_of(field: AnyField, values: Sequence[Value]) -> Column:
    """A field's values as an application has them."""
    names = names_of(field)
    named = [value is None or isinstance(value, str) for value in values]
    numbers = None
    if not field.choices:
        numbers = np.array([0.0 if is_name else value for value, is_name in zip(values, named, strict=True)])
        if not any(named):
            return Column(names, None, numbers)
    place = {name: i for i, name in enumerate(names)}
    places = [place[value] if is_name else NUMBER for value, is_name in zip(values, named, strict=True)]
    return Column(names, np.array(places, dtype=np.int16), numbers)


def with_value(contract: Contract, columns: Columns, name: str, value: Value) -> Columns:
    """The same columns with another value in one field, the ratios that it moves computed anew where they are there."""
    held = columns[name]
    numbers, places = held.numbers, held.places
    if value is None or isinstance(value, str):
        of_all = held.names.index(value)
        places = np.full(held.size, of_all, dtype=np.int16)
    else:
        numbers, places = np.full(held.size, value, dtype=np.float64), None
    changed = {**columns, name: Column(held.names, places, numbers)}
    for ratio in contract.ratios:
        if name in (ratio.numerator, ratio.denominator) and ratio.name in columns:
            changed[ratio.name] = ratio_column(ratio, changed, None, None)[0]
    return changed


def application(columns: Columns, row: int) -> dict[str, Any]:
    """One row's values, as an application has them."""
    at = np.array([row])
    return {name: column.take(at).values()[0] for name, column in columns.items()}


def _both(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
