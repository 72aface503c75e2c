"""Columns of applications to columns of answers: what `Engine.assess` and `Engine.explain` say one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import PolicyFiles
from engine import Engine
from engine.columnar.columns import Columns
from engine.columnar.deciding import Decided, Decider
from engine.columnar.model import model_of
from engine.columnar.outside import Outside, Ranges
from engine.columnar.reasoning import Reasoner, Reasons


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
    reasons: Reasons | None
    attributions: NDArray[np.float64] | None


class ColumnarEngine:
    """An engine, ready for columns."""

    def __init__(self, engine: Engine, files: PolicyFiles) -> None:
        self._engine = engine
        self._model = model_of(engine.scorer)
        self._ranges = Ranges(engine.contract, engine.scorer.ranges)
        self._decider = Decider(engine.contract, engine.policy)
        self._reasoner = Reasoner(engine, files, self._model)

    def assess(self, columns: Columns, rows: int, *, reasons: bool, explain: bool) -> Assessed:
        """Score, decide and give reasons, each row by itself."""
        scored = self._model.score(columns, rows)
        outside = self._ranges.outside(columns)
        decided = self._decider.decide(columns, scored.pd, outside)
        return Assessed(
            scored.pd,
            decided,
            outside,
            self._reasoner.reasons(columns, scored, decided) if reasons else None,
            self._engine.attributor.attribute_turns(scored.turns(np.arange(rows))) if explain else None,
        )
