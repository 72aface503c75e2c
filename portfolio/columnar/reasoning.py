"""Reasons over columns: the codes that `decision.explain_decision` gives one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine import Engine
from portfolio.columnar.columns import Columns
from portfolio.columnar.deciding import APPROVED, Decided
from preprocessing.application import Application
from scoring.scorer import Scores

Codes = tuple[str, ...]


class Reasoner:
    """A model, a policy and a catalogue, ready to give reasons for columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def codes(self, columns: Columns, scores: Scores, decided: Decided) -> list[Codes]:
        """The codes of each row's reasons, none for an approval."""
        codes: list[Codes] = [()] * len(decided.outcome)
        refused = np.flatnonzero(decided.outcome != APPROVED)
        for row, found in zip(refused.tolist(), self._one_by_one(columns, refused), strict=True):
            codes[row] = found
        return codes

    def _one_by_one(self, columns: Columns, rows: NDArray[np.intp]) -> list[Codes]:
        assessments = self._engine.assess(applications(self._engine, columns, rows)) if len(rows) else []
        return [tuple(reason.code for reason in assessment.reasons) for assessment in assessments]


def applications(engine: Engine, columns: Columns, rows: NDArray[np.intp]) -> list[Application]:
    """Some rows as applications, without what neither rules nor scores read."""
    nothing = dict.fromkeys(engine.contract.by_name)
    values = [column.take(rows).values() for column in columns.values()]
    return [{**nothing, **dict(zip(columns, row, strict=True))} for row in zip(*values, strict=True)]
