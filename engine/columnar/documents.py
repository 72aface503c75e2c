"""Decoded JSON documents to what they state, a column at a time, and the applications that they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Columns
from engine.columnar.reading import Numbers, Reader, Reading, References, Stated, Texts
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import CONTROLS, MAX_REFERENCE_LENGTH, AnyField, Integer, Reference

_NUMBERS = {float, int}
_SOUND = re.compile(f"[^{CONTROLS}]{{1,{MAX_REFERENCE_LENGTH}}}")


class Applications(NamedTuple):
    """Applications of a list.

    Attributes:
        columns: what of them rules or scores read.
        rows: their numbers in the list, rising.
        others: field to its values, of the fields that are in no column.
    """

    columns: Columns
    rows: NDArray[np.intp]
    others: Mapping[str, Sequence[Any]]

    def each(self, contract: Contract, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The values of these fields one by one, as the contract reads them."""
        return zip(*[self._values(contract.by_name[name]) for name in names], strict=True)

    def references(self, contract: Contract) -> Sequence[str | None] | None:
        """The callers' own ids; None where the contract has none."""
        return None if contract.reference is None else self.others[contract.reference]

    def _values(self, field: AnyField) -> Sequence[Any]:
        if (column := self.columns.get(field.name)) is None:
            return self.others[field.name]
        if not isinstance(field, Integer):
            return column.values()
        return [int(value) if isinstance(value, float) else value for value in column.values()]


class DocumentReader:
    """A contract, ready to read lists of documents."""

    def __init__(self, contract: Contract) -> None:
        self._fields = contract.fields
        self._nothing = dict.fromkeys(contract.by_name)
        self._reader = Reader(contract)

    def read(self, documents: Sequence[object]) -> tuple[Reading, Mapping[str, Sequence[Any]]]:
        """Documents as columns as far as that is certain, and all their values, field by field."""
        values, odd = self._values(documents)
        stated = {field.name: _stated(field, values[field.name]) for field in self._fields}
        reading = self._reader.read(stated, len(documents))
        if odd:
            certain = np.ones(len(documents), dtype=np.bool_) if reading.certain is None else reading.certain
            certain[odd] = False
            reading = reading._replace(certain=certain)
        return reading, values

    def _values(self, documents: Sequence[Any]) -> tuple[Mapping[str, Sequence[Any]], Sequence[int]]:
        """All values field by field, and which documents are none or have unknown fields."""
        nothing, rows, odd = self._nothing, [], []
        for row, document in enumerate(documents):
            whole = {**nothing, **document} if document.__class__ is dict else {}
            if len(whole) == len(nothing):  # its values in the contract's order
                rows.append(whole.values())
            else:
                rows.append(nothing.values())
                odd.append(row)
        return dict(zip(nothing, zip(*rows, strict=True), strict=True)), odd

    @staticmethod
    def applications(
        reading: Reading, values: Mapping[str, Sequence[Any]], read: Mapping[int, Application]
    ) -> Applications:
        """Those documents that are applications.

        Args:
            reading: as `read` returned it.
            values: the same.
            read: of those that aren't certain the ones that are applications after all.
        """
        columns, rows = reading.completed(read)
        others = {name: stated for name, stated in values.items() if name not in columns}
        if len(rows) < len(next(iter(values.values()))):
            others = {name: [stated[row] for row in rows.tolist()] for name, stated in others.items()}
        return Applications(columns, rows, others)


def _stated(field: AnyField, values: Sequence[Any]) -> Stated:
    if isinstance(field, Reference):
        certain = [value is None or (value.__class__ is str and bool(_SOUND.fullmatch(value))) for value in values]
        return References(np.array(certain, dtype=np.bool_))
    return _texts(values) if field.json_type == "string" else _numbers(values)


def _numbers(values: Sequence[Any]) -> Numbers:
    kinds = set(map(type, values))
    unread = None
    if not kinds - {type(None)} <= _NUMBERS:
        unread = _mask([value is not None and value.__class__ not in _NUMBERS for value in values])
        values = [value if value.__class__ in _NUMBERS else None for value in values]
    try:
        stated = np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number beyond a float is beyond every range too
        within = [np.nan if value is None or _beyond(value) else value for value in values]
        stated = np.array(within, dtype=np.float64)
    missing = _mask([value is None for value in values]) if None in values else None
    if missing is not None and unread is not None:
        missing &= ~unread
    return Numbers(stated, missing, unread)


def _beyond(value: float) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000


def _texts(values: Sequence[Any]) -> Texts:
    unread = None
    if not set(map(type, values)) <= {str, type(None)}:
        unread = _mask([value is not None and value.__class__ is not str for value in values])
        values = [value if value.__class__ is str else None for value in values]
    distinct = dict.fromkeys(values)
    distinct.pop(None, None)
    place = {text: i for i, text in enumerate(distinct)} | {None: len(distinct)}
    return Texts([*distinct], np.fromiter(map(place.__getitem__, values), np.intp, len(values)), unread)


def _mask(holds: Sequence[bool]) -> NDArray[np.bool_]:
    return np.array(holds, dtype=np.bool_)
