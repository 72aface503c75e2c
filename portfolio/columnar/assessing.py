"""Columns of applications to columns of answers: what `Engine.assess` and `Engine.explain` say one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import Engine
from portfolio.columnar.columns import Columns
from portfolio.columnar.deciding import Decided, Decider
from portfolio.columnar.matrix import Matrix
from portfolio.columnar.outside import Outside, Ranges
from portfolio.columnar.reasoning import Codes, Reasoner
from scoring.scorer import Scores


class Assessed(NamedTuple):
    """What is said of some rows.

    Attributes:
        pd: probability of default, shape (n,).
        decided: what the policy makes of it.
        outside: of each scored field of which some row lies outside the training range, where.
        reasons: codes; None where they weren't asked for.
        attributions: shape (n, fields); None where they weren't asked for.
    """

    pd: NDArray[np.float64]
    decided: Decided
    outside: Mapping[str, Outside]
    reasons: Sequence[Codes] | None
    attributions: NDArray[np.float64] | None


class ColumnarEngine:
    """An engine, ready for columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._matrix = Matrix(engine.scorer.schema)
        self._ranges = Ranges(engine.contract, engine.scorer.ranges)
        self._decider = Decider(engine.contract, engine.policy)
        self._reasoner = Reasoner(engine)

    def assess(self, columns: Columns, rows: int, *, reasons: bool, explain: bool) -> Assessed:
        """Score, decide and give reasons, each row by itself."""
        scores = self._score(columns, rows)
        outside = self._ranges.outside(columns)
        decided = self._decider.decide(columns, scores.pd, outside)
        return Assessed(
            scores.pd,
            decided,
            outside,
            self._reasoner.codes(columns, scores, decided) if reasons else None,
            self._attributions(scores) if explain else None,
        )

    def _score(self, columns: Columns, rows: int) -> Scores:
        return self._engine.scorer.score_matrix(self._matrix.of(columns, rows))

    def _attributions(self, scores: Scores) -> NDArray[np.float64]:
        attribute = self._engine.attributor.attribute_one
        fields = len(self._engine.attributor.fields)
        return np.array([attribute(turns) for turns in scores.turns]).reshape(len(scores.pd), fields)
