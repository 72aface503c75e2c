"""Whether better values of a field would have lowered a PD, over columns: what `Improvements.lowering` says of one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Columns, Mask, application, column_of, with_value
from engine.columnar.matrix import Matrix
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

    def __init__(self, scorer: Scorer, model: Model, improvements: Improvements) -> None:
        self._scorer = scorer
        self._model = model
        self._contract = scorer.schema.contract
        self._improvements = improvements
        self._matrix = Matrix(scorer.schema)
        self._better = cache(self._better_values)

    def lower(self, columns: Columns, scored: Scored, questions: Sequence[Asked]) -> list[Mask]:
        """Where it does, question by question.

        Args:
            columns: of all rows.
            scored: what the model says of them.
            questions: about some of them.
        """
        lower = [np.zeros(len(question.rows), dtype=np.bool_) for question in questions]
        if isinstance(self._model, ByTables) and scored.tables is not None:
            self._by_tables(columns, scored, questions, lower)
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

    def _by_tables(self, columns: Columns, scored: Scored, questions: Sequence[Asked], lower: Sequence[Mask]) -> None:
        """By those fields that add something else to the rows of the tables, and move nothing besides: where that does.

        Mostly the first value of a field that is tried does, so that the others are tried where it doesn't.
        """
        assert isinstance(self._model, ByTables)
        tables = scored.tables
        assert tables is not None
        tries = [
            (found, question.rows, name)
            for question, found in zip(questions, lower, strict=True)
            for name in question.fields
            if self._better(name)
        ]
        for first in (True, False):
            blocks, owners = [], []
            for found, rows, name in tries:
                open_ = np.flatnonzero(~found)
                better = self._better(name)[:1] if first else self._better(name)[1:]
                if better and len(open_):
                    own = self._model.of_field(name, columns[name].take(rows[open_]))
                    without = tables[rows[open_]] - own
                    blocks += [without + addend for addend in better]
                    owners += [(found, open_, rows[open_])] * len(better)
            if blocks:
                lowered = self._model.pds(np.concatenate(blocks)) < scored.pd[np.concatenate([at for *_, at in owners])]
                start = 0
                for found, open_, _ in owners:
                    found[open_] |= lowered[start : start + len(open_)]
                    start += len(open_)

    def _better_values(self, name: str) -> list[NDArray[np.int64]]:
        """What each better value of a field adds to the tables' rows; none where they move ratios, or are many.

        First the one with the least PD in an example, which is no more than a guess.
        """
        contract, model = self._contract, self._model
        field = contract.by_name[name]
        values: Sequence[Value] = best_values(field)
        if self._improvements.replacement(name) is None or not isinstance(model, ByTables):
            return []
        if not 0 < len(values) <= FEW_VALUES:
            return []
        example = contract.parse(dict(contract.example))
        pds = self._scorer.score([{**example, name: value} for value in values]).pd.tolist()
        likely = [value for _, value in sorted(zip(pds, values, strict=True), key=itemgetter(0))]
        return [*model.of_field(name, column_of(field, likely))]

    def _by_one(self, columns: Columns, scored: Scored, rows: NDArray[np.intp], name: str) -> Mask:
        """The same by one field, value by value."""
        pd = scored.pd[rows]
        lower = np.zeros(len(rows), dtype=np.bool_)
        if (replacement := self._improvements.replacement(name)) is not None:
            held, others = replacement
            matrix = self._features(columns, rows)
            for other in others:
                open_ = np.flatnonzero(~lower)
                if len(open_):
                    lower[open_] = self._scorer.score_matrix(np.where(held, matrix[open_], other)).pd < pd[open_]
        elif values := best_values(self._contract.by_name[name]):
            own = self._taken(columns, rows)
            for value in values:
                lower |= self._model.score(with_value(self._contract, own, name, value), len(rows)).pd < pd
        else:
            matrix = self._features(columns, rows)
            for i, row in enumerate(rows.tolist()):
                (lower[i],) = self._improvements.lowering(application(columns, row), matrix[i], float(pd[i]), [[name]])
        return lower

    def _features(self, columns: Columns, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return self._matrix.of(self._taken(columns, rows), len(rows))

    def _taken(self, columns: Columns, rows: NDArray[np.intp]) -> Columns:
        return {field: columns[field].take(rows) for field in self._contract.scored}
