"""Whether better values of a field would have lowered a PD, over columns: what `Improvements.lowering` says of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Columns, Mask, application, with_value
from engine.columnar.model import Model, Scored
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
        self, columns: Columns, scored: Scored, turns: Turns, rows: NDArray[np.intp], fields: Sequence[str]
    ) -> Mask:
        """Where some better value of one of the fields gets a PD below the row's own.

        Args:
            columns: of all rows.
            scored: what the model says of them.
            turns: of those that it is asked of, shape (n, trees).
            rows: those.
            fields: scored ones.
        """
        pd = scored.pd[rows]
        lower = np.zeros(len(rows), dtype=np.bool_)
        moving = []
        for name in fields:
            if (replacement := self._improvements.replacement(name)) is None:
                moving.append(name)
                continue
            keep, others = replacement
            for other in others:
                open_ = np.flatnonzero(~lower)
                if len(open_):
                    lower[open_] = self._scorer.pds(turns[open_] & keep | other) < pd[open_]
        # One that moves ratios is seldom needed beside one that doesn't.
        for name in moving:
            open_ = np.flatnonzero(~lower)
            if len(open_):
                lower[open_] = self._moving(columns, turns[open_], pd[open_], rows[open_], name)
        return lower

    def _moving(
        self, columns: Columns, turns: Turns, pd: NDArray[np.float64], rows: NDArray[np.intp], name: str
    ) -> Mask:
        """The same of one field that moves ratios."""
        lower = np.zeros(len(rows), dtype=np.bool_)
        if values := best_values(self._contract.by_name[name]):
            own = {field: columns[field].take(rows) for field in self._contract.scored}
            for value in values:
                lower |= self._model.score(with_value(self._contract, own, name, value), len(rows)).pd < pd
            return lower
        for i, row in enumerate(rows.tolist()):
            (lower[i],) = self._improvements.lowering(application(columns, row), turns[i], float(pd[i]), [[name]])
        return lower
