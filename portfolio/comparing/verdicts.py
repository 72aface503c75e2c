"""What each of the two says of a table's rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.columnar.columns import Columns
from engine.columnar.deciding import Decided, Decider
from portfolio.assessor import Assessor, Options
from portfolio.columnar.reading import Read

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Verdicts(NamedTuple):
    """What one of the two says of n applications.

    Attributes:
        pd: probability of default, shape (n,).
        decided: what its policy makes of it.
    """

    pd: Floats
    decided: Decided


class Both(NamedTuple):
    """What both say of the rows that both can read.

    Attributes:
        rows: their places in the table, rising, shape (n,).
        columns: as A's contract reads them.
        a: what A says.
        b: what B says.
        unread: rows of the table that A can't read, and those that B can't.
        size: rows of the table.
    """

    rows: Rows
    columns: Columns
    a: Verdicts
    b: Verdicts
    unread: tuple[int, int]
    size: int


class Pair:
    """The two, ready to be asked. What they share is done once: the reading of one contract, a model's PDs.

    Attributes:
        same_model: whether both score by the same files.
    """

    def __init__(self, a: Assessor, b: Assessor, options: Options) -> None:
        self._a, self._b = a, b
        self._options = options
        self._one_contract = a.contract == b.contract
        self._decider_b = Decider(b.contract, b.engine.policy)
        of_a, of_b = (each.digests.items() - each.files.digests.items() for each in (a, b))
        self.same_model = of_a == of_b

    def judge(self, table: pa.Table) -> Both:
        """Ask both of each row.

        Raises:
            UnfitInputError: a contract's columns aren't there, or can't be read.
        """
        read_a = self._a.read(table, self._options)
        read_b = read_a if self._one_contract else self._b.read(table, self._options)
        rows = np.intersect1d(read_a.rows, read_b.rows, assume_unique=True)
        columns = _chosen(read_a, rows)
        said = self._a.assess(columns, len(rows))
        if self.same_model:
            b = Verdicts(said.pd, self._decider_b.decide(columns, said.pd, said.outside))
        else:
            of_b = self._b.assess(columns if read_b is read_a else _chosen(read_b, rows), len(rows))
            b = Verdicts(of_b.pd, of_b.decided)
        unread = (table.num_rows - len(read_a.rows), table.num_rows - len(read_b.rows))
        return Both(rows, columns, Verdicts(said.pd, said.decided), b, unread, table.num_rows)


def _chosen(read: Read, rows: Rows) -> Columns:
    if len(rows) == len(read.rows):
        return read.columns
    places = np.searchsorted(read.rows, rows)
    return {name: column.take(places) for name, column in read.columns.items()}
