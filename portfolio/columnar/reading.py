"""Cells to columns: what they state, to be read as the engine reads columns, and what is wrong with the other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.columnar import reading
from engine.columnar.columns import Columns, Mask
from engine.columnar.reading import Numbers, References, Stated, Texts
from portfolio.columnar.casting import Cells
from preprocessing.application import Application, FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from preprocessing.fields import CONTROLS, MAX_REFERENCE_LENGTH, AnyField, Reference


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
    """A contract, ready to read tables."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._reader = reading.Reader(contract)

    def read(self, cells: Mapping[str, Cells], rows: int) -> Read:
        """Read cells, field by field; of a field without cells nothing is stated."""
        fields = self._contract.by_name
        stated = {name: _stated(fields[name], column) for name, column in cells.items()}
        read = self._reader.read(stated, rows)
        applications, errors = self._by_contract(cells, read.uncertain())
        return Read(*read.completed(applications), errors)

    def _by_contract(
        self, cells: Mapping[str, Cells], uncertain: Sequence[int]
    ) -> tuple[dict[int, Application], list[tuple[int, FieldError]]]:
        """Read the rows that aren't certain one by one."""
        taken = {name: column.taken(pa.array(uncertain, pa.int64())) for name, column in cells.items()}
        applications: dict[int, Application] = {}
        errors: list[tuple[int, FieldError]] = []
        for i, row in enumerate(uncertain):
            # A missing value is left out, so that the contract calls it missing where it is required.
            document = {name: value for name, column in taken.items() if (value := column[i]) is not None}
            try:
                applications[row] = self._contract.parse(document)
            except InvalidApplicationError as exc:
                errors += [(row, error) for error in exc.errors]
        return applications, errors


def _stated(field: AnyField, cells: Cells) -> Stated:
    if isinstance(field, Reference):
        return References(_references(cells.values))
    return _texts(cells.values) if field.json_type == "string" else _numbers(cells)


def _numbers(cells: Cells) -> Numbers:
    values, unread = cells
    if pa.types.is_string(values.type):  # of nothing but nulls
        return Numbers(np.full(len(values), np.nan), np.ones(len(values), dtype=np.bool_))
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    missing = _mask(pc.is_null(values)) if values.null_count else None
    if unread is None:
        return Numbers(numbers, missing)
    stated = _mask(pc.is_valid(unread))
    return Numbers(numbers, None if missing is None else missing & ~stated, stated)


def _texts(texts: pa.Array) -> Texts:
    encoded = texts.dictionary_encode()
    distinct, indices = encoded.dictionary.to_pylist(), encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(distinct))
    return Texts(distinct, indices.to_numpy(zero_copy_only=False))


def _references(texts: pa.Array) -> Mask:
    length = pc.utf8_length(texts)
    sound = pc.and_(
        pc.and_(pc.greater_equal(length, 1), pc.less_equal(length, MAX_REFERENCE_LENGTH)),
        pc.invert(pc.match_substring_regex(texts, f"[{CONTROLS}]")),
    )
    return _mask(pc.fill_null(sound, True))


def _mask(array: pa.Array) -> Mask:
    mask: Mask = array.to_numpy(zero_copy_only=False)
    return mask
