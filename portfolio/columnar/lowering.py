"""Whether better values of a field would have lowered a PD, over columns: what `Improvements.lowering` says of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portfolio.columnar.columns import Columns, Mask, application, with_value
from portfolio.columnar.model import Model
from scoring.improvements import Improvements, best_values
from scoring.scorer import Scorer
from scoring.turns import Turns


class Lowering:
    """A model, ready to be asked."""

    def __init__(self, scorer: Scorer, model: Model) -> None:
        self._scorer = scorer
        self._model = model
        self._contract = scorer.schema.contract
        self._improvements = Improvements(scorer)

    def lower(
        self, columns: Columns, rows: NDArray[np.intp], turns: Turns, pd: NDArray[np.float64], fields: Sequence[str]
    ) -> Mask:
        """Where some better value of one of the fields gets a PD below the row's own.

        Args:
            columns: of all rows.
            rows: those that it is asked of, n of them.
            turns: theirs, shape (n, trees).
            pd: their own.
            fields: scored ones.
        """
        lower = np.zeros(len(pd), dtype=np.bool_)
        moving = []
        for name in fields:
            replacement = self._improvements.replacement(name)
            if replacement is None:
                moving.append(name)
                continue
            keep, others = replacement
            for other in others:
                open_ = np.flatnonzero(~lower)
                lower[open_] = self._scorer.pds(turns[open_] & keep | other) < pd[open_]
        for name in moving:
            open_ = np.flatnonzero(~lower)
            own = {field: column.take(rows[open_]) for field, column in columns.items()}
            lower[open_] = self._moved(own, turns[open_], pd[open_], name)
        return lower

    def _moved(self, columns: Columns, turns: Turns, pd: NDArray[np.float64], name: str) -> Mask:
        """The same of one field that moves ratios."""
        lower = np.zeros(len(pd), dtype=np.bool_)
        best = best_values(self._contract.by_name[name])
        for value in best:
            lower |= self._model.score(with_value(self._contract, columns, name, value), len(pd)).pd < pd
        if not best:
            rows = zip(_rows(columns, len(pd)), turns, pd.tolist(), strict=True)
            lower[:] = [self._improvements.lowering(*row, [[name]])[0] for row in rows]
        return lower


def _rows(columns: Columns, n: int) -> list[dict[str, Any]]:
    return [application(columns, row) for row in range(n)]
