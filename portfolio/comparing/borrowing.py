"""What became of the loans, as far as a file says so, and what a loan brings by stated assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.columnar.columns import Columns
from portfolio.columnar.casting import MISSING
from portfolio.errors import UnfitInputError
from preprocessing.contract import Contract, label_key

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a loan brings: the margin on its amount where it is repaid, less what is lost of it where it isn't.

    A simple reckoning, without time, prepayment or cost: enough to order two policies, not to plan by.

    Attributes:
        margin: of the amount, where the loan is repaid: a share, or the column that holds one.
        loss: of the amount, where it defaults: the same.
        amount: the column that holds the amount; None for the field that the contract names.
    """

    margin: float | str
    loss: float | str
    amount: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the file that it needs beside the fields."""
        return tuple(each for each in (self.margin, self.loss, self.amount) if isinstance(each, str))

    def check(self, schema: pa.Schema, contract: Contract) -> None:
        """Check that a file holds what is needed.

        Raises:
            UnfitInputError: naming each column.
        """
        problems = [f"there is no column {name}; name one that there is" for name in self.columns
                    if name not in schema.names]  # fmt: skip
        if self.amount is None and contract.amount is None:
            problems.append("profit: the contract names no amount; say which column holds it (--amount)")
        if problems:
            raise UnfitInputError(problems)


class Known(NamedTuple):
    """What became of n loans.

    Attributes:
        known: whether the file says so, shape (n,).
        defaulted: of those, shape (n,).
        strange: how many hold a value that the contract's label doesn't name.
    """

    known: NDArray[np.bool_]
    defaulted: NDArray[np.bool_]
    strange: int


class Worth(NamedTuple):
    """What n loans bring; NaN where the file doesn't say.

    Attributes:
        amount: of each, shape (n,).
        gain: where it is repaid, shape (n,).
        loss: where it defaults, shape (n,).
    """

    amount: Floats
    gain: Floats
    loss: Floats


def known(table: pa.Table, contract: Contract) -> Known:
    """Read the label's column; where there is none, nothing is known."""
    nothing = np.zeros(table.num_rows, dtype=bool)
    if contract.label.column not in table.schema.names:
        return Known(nothing, nothing, 0)
    column = pc.dictionary_encode(table.column(contract.label.column).combine_chunks(), null_encoding="encode")
    label = contract.label
    kinds = {label_key(value): kind for kind, values in ((1, label.defaulted), (0, label.repaid)) for value in values}
    # Of each value that occurs: 1 or 0, -1 where there is none, -2 where it is no label.
    of_value = np.array([_kind(value, kinds) for value in column.dictionary.to_pylist()] or [-1], dtype=np.int8)
    of_row = of_value[column.indices.to_numpy(zero_copy_only=False)] if len(column) else np.empty(0, dtype=np.int8)
    return Known(of_row >= 0, of_row == 1, int((of_row == -2).sum()))


def worth(table: pa.Table, columns: Columns, contract: Contract, by: Assumptions) -> Worth:
    """What the table's loans bring.

    Args:
        table: of n rows.
        columns: the same, as the contract reads them.
        contract: names the field of the amount.
        by: what is assumed.
    """
    n = table.num_rows
    if by.amount is not None:
        amount = _numbers(table, by.amount)
    else:
        column = columns[contract.amount or ""]
        assert column.numbers is not None
        amount = column.numbers if column.places is None else np.where(column.places < 0, column.numbers, np.nan)
    margin, loss = (
        _numbers(table, each) if isinstance(each, str) else np.full(n, each) for each in (by.margin, by.loss)
    )
    return Worth(amount, amount * margin, amount * loss)


def _kind(value: object, kinds: dict[int | float | str | None, int]) -> int:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return -1
    if isinstance(value, bool):
        value = str(value).lower()
    text = value if isinstance(value, int | float) else str(value)
    found = kinds.get(label_key(text))
    if found is None:
        return -1 if isinstance(text, str) and text.strip().lower() in MISSING else -2
    return found


def _numbers(table: pa.Table, name: str) -> Floats:
    """A column as numbers, NaN where it holds none.

    Raises:
        UnfitInputError: it holds something else.
    """
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        missing = pc.is_in(pc.ascii_lower(pc.utf8_trim_whitespace(column)), value_set=pa.array(MISSING, column.type))
        column = pc.if_else(missing, pa.scalar(None, column.type), column)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    try:
        values: Floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        raise UnfitInputError([f"{name}: holds something else than numbers; name a column of numbers"]) from None
    return np.where(np.isfinite(values), values, np.nan)
