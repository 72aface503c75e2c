"""Whether better values of a field would have lowered a PD, over columns: what `Improvements.lowering` says of one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Columns, Mask, application, column_of, with_value
from engine.columnar.model import ByTables, Model, Scored
from preprocessing.base import Value
from scoring.improvements import Improvements, best_values
from scoring.scorer import Scorer

FEW_VALUES = 8
"""So many values of a field are tried on all rows at once; of more, each on those rows that none before it has lowered.
"""


class Asked(NamedTuple):
    """What is asked of some rows: whether some better value of one of the fields gets a PD below the row's own.

    Attributes:
        rows: their numbers, rising.
        fields: scored ones.
    """

    rows: NDArray[np.intp]
    fields: tuple[str, ...]


class Lowering:
    """A model, ready to be asked."""

    def __init__(self, scorer: Scorer, model: Model) -> None:
        self._scorer = scorer
        self._model = model
        self._contract = scorer.schema.contract
        self._improvements = Improvements(scorer)
        self._better = cache(self._better_values)

    def lower(self, columns: Columns, scored: Scored, questions: Sequence[Asked]) -> list[Mask]:
        """Where it does, question by question.

        Args:
            columns: of all rows.
            scored: what the model says of them.
            questions: about some of them.
        """
        lower = self._by_tables(columns, scored, questions)
        for question, found in zip(questions, lower, strict=True):
            for name in self._left(question.fields):
                open_ = np.flatnonzero(~found)
                if len(open_):
                    found[open_] = self._by_one(columns, scored, question.rows[open_], name)
        return lower

    def _left(self, fields: Sequence[str]) -> list[str]:
        """The fields that `_by_tables` leaves out; one that moves ratios is seldom needed beside one that doesn't."""
        left = [name for name in fields if not self._better(name)]
        return sorted(left, key=lambda name: self._improvements.replacement(name) is None)

    def _by_tables(self, columns: Columns, scored: Scored, questions: Sequence[Asked]) -> list[Mask]:
        """The same by those fields that add something else to the rows of the tables, and move nothing besides."""
        lower = [np.zeros(len(question.rows), dtype=np.bool_) for question in questions]
        if not isinstance(self._model, ByTables) or scored.tables is None:
            return lower
        blocks, own, places = [], [], []
        for i, question in enumerate(questions):
            for name in question.fields:
                if better := self._better(name):
                    without = scored.tables[question.rows] - self._model.of_field(
                        name, columns[name].take(question.rows)
                    )
                    blocks += [without + addend for addend in better]
                    own += [question.rows] * len(better)
                    places += [i] * len(better)
        if not blocks:
            return lower
        lowered = self._model.pds(np.concatenate(blocks)) < scored.pd[np.concatenate(own)]
        for i, found in zip(places, np.split(lowered, np.cumsum([len(rows) for rows in own])[:-1]), strict=True):
            lower[i] |= found
        return lower

    def _better_values(self, name: str) -> Sequence[NDArray[np.int64]]:
        """What each better value of a field adds to the tables' rows; none where they move ratios, or are many."""
        field = self._contract.by_name[name]
        if self._improvements.replacement(name) is None or not isinstance(self._model, ByTables):
            return []
        values: Sequence[Value] = best_values(field)
        return [*self._model.of_field(name, column_of(field, values))] if 0 < len(values) <= FEW_VALUES else []

    def _by_one(self, columns: Columns, scored: Scored, rows: NDArray[np.intp], name: str) -> Mask:
        """The same by one field, value by value."""
        pd = scored.pd[rows]
        lower = np.zeros(len(rows), dtype=np.bool_)
        if (replacement := self._improvements.replacement(name)) is not None:
            keep, others = replacement
            turns = scored.turns(rows)
            for other in others:
                open_ = np.flatnonzero(~lower)
                if len(open_):
                    lower[open_] = self._scorer.pds(turns[open_] & keep | other) < pd[open_]
        elif values := best_values(self._contract.by_name[name]):
            own = {field: columns[field].take(rows) for field in self._contract.scored}
            for value in values:
                lower |= self._model.score(with_value(self._contract, own, name, value), len(rows)).pd < pd
        else:
            turns = scored.turns(rows)
            for i, row in enumerate(rows.tolist()):
                (lower[i],) = self._improvements.lowering(application(columns, row), turns[i], float(pd[i]), [[name]])
        return lower
