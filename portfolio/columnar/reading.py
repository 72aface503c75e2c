"""Cells to columns: what certainly is as the contract asks is read a column at a time, and the rest by the contract.

There is no second contract. Of numbers it is certain that they lie within their range, of texts and days each distinct
one is read once by the field's own rules; whatever row fails any of that goes through `Contract.parse`, which says what
is wrong with it, or that nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from portfolio.columnar.casting import Cells
from portfolio.columnar.columns import (
    Column,
    Columns,
    Mask,
    names_of,
    number_column,
    ratio_column,
    with_values,
)
from preprocessing.application import FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from preprocessing.fields import MAX_REFERENCE_LENGTH, AnyField, Date, Integer, Number, Ratio, Reference

_CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class Read(NamedTuple):
    """A table as the contract reads it.

    Attributes:
        columns: of the rows that are applications, in order; without those fields that neither rules nor scores read.
        rows: their numbers in the table.
        errors: of the other rows, with their numbers.
    """

    columns: Columns
    rows: NDArray[np.intp]
    errors: Sequence[tuple[int, FieldError]]


class Reader:
    """A contract, ready to read columns."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._texts = {
            field.name: TypeAdapter(field.annotation(), config=_STRICT)
            for field in contract.fields
            if field.choices or isinstance(field, Date)
        }

    def read(self, cells: Mapping[str, Cells], rows: int) -> Read:
        """Read cells, field by field; of a field without cells nothing is stated."""
        columns: dict[str, Column] = {}
        certain: Mask = np.ones(rows, dtype=np.bool_)
        for field in self._contract.fields:
            column, sure = self._column(field, cells.get(field.name), columns)
            if column is not None:
                columns[field.name] = column
            if sure is not None:
                certain &= sure
        if certain.all():
            return Read(columns, np.arange(rows), ())
        return self._by_contract(cells, columns, certain)

    def _column(self, field: AnyField, cells: Cells | None, columns: Columns) -> tuple[Column | None, Mask | None]:
        """A field's column, where rules or scores may read it, and where it is certain; None for everywhere."""
        if isinstance(field, Ratio):
            return ratio_column(field, columns, *(_numbers(cells) if cells is not None else (None, None)))
        if cells is None:
            assert isinstance(field, Reference), "a file has all fields but ratios and the reference"
            return None, None
        if isinstance(field, Number | Integer):
            column, certain = number_column(field, *_numbers(cells))
            unread = cells.unread
            return column, certain if unread is None else certain & _mask(pc.is_null(unread))
        if isinstance(field, Reference):
            return None, _references(cells.values)
        places, sure = self._named(field, cells.values)
        return (Column(names_of(field), places), sure) if field.choices else (None, sure)

    def _named(self, field: AnyField, texts: pa.Array) -> tuple[NDArray[np.int16], Mask | None]:
        """The place of each text's value among the field's names, any for a day, and where it has one."""
        encoded = texts.dictionary_encode()
        names = {name: place for place, name in enumerate(names_of(field))}
        validate = partial(_valid, self._texts[field.name])
        # Behind the distinct texts' places, what a missing one counts as; an index of -1 finds it.
        read = [*map(validate, encoded.dictionary.to_pylist()), None]
        place = np.array([names.get(value, 0) for value in read], dtype=np.int16)
        sure = np.array([value is not None for value in read[:-1]] + [field.optional], dtype=np.bool_)
        indices = encoded.indices
        if indices.null_count:
            indices = indices.fill_null(len(read) - 1)
        at = indices.to_numpy(zero_copy_only=False)
        return place[at], None if sure.all() else sure[at]

    def _by_contract(self, cells: Mapping[str, Cells], columns: Columns, certain: Mask) -> Read:
        """Read the rows that aren't certain one by one."""
        uncertain = np.flatnonzero(~certain)
        taken = {name: column.taken(pa.array(uncertain)) for name, column in cells.items()}
        applications, rows, errors = [], [], []
        for i, row in enumerate(uncertain.tolist()):
            # A missing value is left out, so that the contract calls it missing where it is required.
            document = {name: value for name, column in taken.items() if (value := column[i]) is not None}
            try:
                applications.append(self._contract.parse(document))
                rows.append(row)
            except InvalidApplicationError as exc:
                errors += [(row, error) for error in exc.errors]
        if rows:
            columns = with_values(columns, np.array(rows, dtype=np.intp), applications)
            certain = certain.copy()
            certain[rows] = True
        good = np.flatnonzero(certain)
        return Read({name: column.take(good) for name, column in columns.items()}, good, errors)


def _numbers(cells: Cells) -> tuple[NDArray[np.float64], Mask | None]:
    """A column's numbers, NaN where there is none, and where nothing is stated; None for nowhere."""
    values = cells.values
    if pa.types.is_string(values.type):  # of nothing but nulls
        return np.full(len(values), np.nan), np.ones(len(values), dtype=np.bool_)
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    missing = _mask(pc.is_null(values)) if values.null_count else None
    if missing is not None and cells.unread is not None:
        missing &= _mask(pc.is_null(cells.unread))
    return numbers, missing


def _references(texts: pa.Array) -> Mask:
    length = pc.utf8_length(texts)
    sound = pc.and_(
        pc.and_(pc.greater_equal(length, 1), pc.less_equal(length, MAX_REFERENCE_LENGTH)),
        pc.invert(pc.match_substring_regex(texts, _CONTROL)),
    )
    return _mask(pc.fill_null(sound, True))


def _mask(array: pa.Array) -> Mask:
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask


def _valid(adapter: TypeAdapter[Any], text: str) -> Any:
    try:
        return adapter.validate_python(text)
    except ValidationError:
        return None
