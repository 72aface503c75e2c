"""A model over columns: the PDs of `Scorer.score`, and the turns behind them for rows that have to be explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Column, Columns
from engine.columnar.matrix import Matrix, TableRows
from scoring.exits import Exits
from scoring.logistic import logistic
from scoring.scorer import Scorer
from scoring.turns import Turns


class Scored(NamedTuple):
    """What a model says of some rows.

    Attributes:
        margin: the ensemble's own log-odds, shape (n,).
        pd: probability of default, shape (n,).
        turns: of some of the rows, shape (rows, trees).
        tables: a row of each of the model's tables, shape (n, tables); None where features are too many for tables.
    """

    margin: NDArray[np.float64]
    pd: NDArray[np.float64]
    turns: Callable[[NDArray[np.intp]], Turns]
    tables: NDArray[np.int64] | None = None


class Model(Protocol):
    """Scores columns."""

    def score(self, columns: Columns, rows: int) -> Scored:
        """Each row by itself, in order."""


def model_of(scorer: Scorer) -> Model:
    """The quickest way to a model's PDs."""
    return _ByMatrix(scorer) if scorer.exits is None else ByTables(scorer, scorer.exits)


class _ByMatrix:
    """By the features themselves, where they are too many for tables."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._matrix = Matrix(scorer.schema)

    def score(self, columns: Columns, rows: int) -> Scored:
        scores = self._scorer.score_matrix(self._matrix.of(columns, rows))
        return Scored(scores.margin, scores.pd, scores.turns)


class ByTables:
    """By the rows of the tables that turns are looked up in."""

    def __init__(self, scorer: Scorer, exits: Exits) -> None:
        self._rows = TableRows(Matrix(scorer.schema), exits.tables)
        self._exits = exits
        self._calibration = scorer.calibration

    def score(self, columns: Columns, rows: int) -> Scored:
        """See `Model`."""
        found = self._rows.of(columns, rows)
        margin = self._exits.log_odds(found)
        return Scored(margin, self._pds(margin), lambda chosen: self._exits.tables.turns(found[chosen]), found)

    def pds(self, tables: NDArray[np.int64]) -> NDArray[np.float64]:
        """The PDs of applications of which only the rows of the tables are known, shape (n, tables)."""
        return self._pds(self._exits.log_odds(tables))

    def of_field(self, field: str, column: Column) -> NDArray[np.int64]:
        """What a field's values add to the rows of the tables; see `TableRows.of_field`."""
        return self._rows.of_field(field, column)

    def _pds(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        return logistic(self._calibration.apply(margin))
