"""What is stated to columns: what certainly is as the contract asks is read a column at a time, and the rest by it.

There is no second contract. Of numbers it is certain that they lie within their range, of texts and days each distinct
one is read once by the field's own rules; whatever row fails any of that goes through `Contract.parse`, which says what
is wrong with it, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.columnar.columns import (
    Column,
    Columns,
    Mask,
    Places,
    names_of,
    number_column,
    ratio_column,
    with_values,
)
from preprocessing.application import Application
from preprocessing.base import Value
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Date, Integer, Number, Ratio, Reference

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class Numbers(NamedTuple):
    """A column of numbers as they are stated, shape (n,).

    Attributes:
        stated: float64, NaN where there is none.
        missing: where nothing is stated; None for nowhere.
        unread: where something is that is no number; None for nowhere.
    """

    stated: NDArray[np.float64]
    missing: Mask | None = None
    unread: Mask | None = None


class Texts(NamedTuple):
    """A column of texts as they are stated, shape (n,).

    Attributes:
        distinct: those that there are.
        at: of each row's among them; len(distinct) where nothing is stated.
        unread: where something is that is no text; None for nowhere.
    """

    distinct: Sequence[str]
    at: NDArray[np.integer]
    unread: Mask | None = None


class References(NamedTuple):
    """A column of the callers' own ids.

    Attributes:
        certain: where there certainly is one, or none is stated.
    """

    certain: Mask


Stated = Numbers | Texts | References


class Reading(NamedTuple):
    """Columns as far as they are certain.

    Attributes:
        columns: of all rows; without those fields that neither rules nor scores read.
        certain: which of the rows certainly are applications; None for all of them.
    """

    columns: Columns
    certain: Mask | None

    def uncertain(self) -> list[int]:
        """The rows that are to be read one by one."""
        return [] if self.certain is None else np.flatnonzero(~self.certain).tolist()

    def completed(self, read: Mapping[int, Application]) -> tuple[Columns, NDArray[np.intp]]:
        """The columns of those rows that are applications, and their numbers, in order.

        Args:
            read: of the uncertain ones those that are after all.
        """
        columns, certain = self
        if certain is None:
            return columns, np.arange(_rows(columns))
        if read:
            rows = np.array([*read], dtype=np.intp)
            columns = with_values(columns, rows, [*read.values()])
            certain = certain.copy()
            certain[rows] = True
        if certain.all():
            return columns, np.arange(len(certain))
        good = np.flatnonzero(certain)
        return {name: column.take(good) for name, column in columns.items()}, good


class Reader:
    """A contract, ready to read columns."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._texts = {
            field.name: TypeAdapter(field.annotation(), config=_STRICT)
            for field in contract.fields
            if field.choices or isinstance(field, Date)
        }
        self._places: dict[str, Mapping[Value, int]] = {
            field.name: {name: place for place, name in enumerate(names_of(field))} for field in contract.fields
        }

    def read(self, stated: Mapping[str, Stated], rows: int) -> Reading:
        """Read what is stated, field by field; of a ratio or reference that isn't there nothing is."""
        columns: dict[str, Column] = {}
        certain: Mask = np.ones(rows, dtype=np.bool_)
        for field in self._contract.fields:
            column, sure = self._column(field, stated.get(field.name), columns)
            if column is not None:
                columns[field.name] = column
            if sure is not None:
                certain &= sure
        return Reading(columns, None if certain.all() else certain)

    def _column(self, field: AnyField, stated: Stated | None, columns: Columns) -> tuple[Column | None, Mask | None]:
        """A field's column, where rules or scores may read it, and where it is certain; None for everywhere."""
        if isinstance(field, Ratio):
            if stated is None:
                return ratio_column(field, columns, None, None)
            assert isinstance(stated, Numbers)
            return ratio_column(field, columns, stated.stated, stated.missing)
        if stated is None or isinstance(stated, References):
            assert isinstance(field, Reference), "all fields are stated but ratios and the reference"
            return None, None if stated is None else stated.certain
        if isinstance(field, Number | Integer):
            assert isinstance(stated, Numbers)
            column, certain = number_column(field, stated.stated, stated.missing)
            return column, certain if stated.unread is None else certain & ~stated.unread
        assert isinstance(stated, Texts)
        places, sure = self._named(field, stated)
        return (Column(names_of(field), places), sure) if field.choices else (None, sure)

    def _named(self, field: AnyField, texts: Texts) -> tuple[Places, Mask | None]:
        """The place of each text's value among the field's names, any for a day, and where it has one."""
        names, adapter = self._places[field.name], self._texts[field.name]
        # Behind the distinct texts' places, what a missing one counts as.
        read = [*(_valid(adapter, text) for text in texts.distinct), None]
        place = np.array([names.get(value, 0) for value in read], dtype=np.int16)
        if texts.unread is None and field.optional and None not in read[:-1]:
            return place.take(texts.at), None
        sure = np.array([value is not None for value in read[:-1]] + [field.optional], dtype=np.bool_)[texts.at]
        return place.take(texts.at), sure if texts.unread is None else sure & ~texts.unread


def _valid(adapter: TypeAdapter[Any], text: str) -> Any:
    try:
        return adapter.validate_python(text)
    except ValidationError:
        return None


def _rows(columns: Columns) -> int:
    return next(column.size for column in columns.values())
