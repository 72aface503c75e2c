"""Columns of applications to columns of answers: what `Engine.assess` and `Engine.explain` say one by one."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import Reason
from decision.policy import Rule
from engine import Engine, Identity
from engine.columnar.columns import Columns
from engine.columnar.deciding import Decided, Decider
from engine.columnar.lists import Lists
from engine.columnar.model import Scored
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


class Answers(NamedTuple):
    """What some applicants are told.

    Attributes:
        pd: probability of default, shape (n,).
        decided: what the policy makes of it.
        rules: that matched.
        outside: the fields beyond the training data's range.
        reasons: why it is not an approval.
        identity: of the model and policy that said so.
    """

    pd: NDArray[np.float64]
    decided: Decided
    rules: Lists[Rule]
    outside: Lists[str]
    reasons: Lists[Reason]
    identity: Identity


class ColumnarEngine:
    """An engine, ready for columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ranges = Ranges(engine.contract, engine.scorer.ranges)
        self._decider = Decider(engine.contract, engine.policy)
        self._reasoner = Reasoner(engine)

    def assess(self, columns: Columns, rows: int, *, reasons: bool, explain: bool) -> Assessed:
        """Score, decide and give reasons, each row by itself."""
        scored, outside, decided = self._decide(columns, rows)
        return Assessed(
            scored.pd,
            decided,
            outside,
            self._reasoner.reasons(columns, scored, decided) if reasons else None,
            self._engine.attributor.attribute_turns(scored.turns(np.arange(rows))) if explain else None,
        )

    def answers(self, columns: Columns, rows: int) -> Generator[None, None, Answers]:
        """What each applicant is told, in steps of a millisecond or so for 500 rows; others have turns between them."""
        scored, outside, decided = self._decide(columns, rows)
        yield
        reasons = yield from self._reasoner.in_steps(columns, scored, decided)
        yield
        return Answers(
            pd=scored.pd,
            decided=decided,
            rules=Lists.where([*zip(self._engine.policy.rules, decided.rules, strict=True)], rows),
            outside=Lists.where([(name, outside[name].all) for name in outside], rows),
            reasons=self._reasoner.given(columns, reasons),
            identity=self._engine.identity,
        )

    def _decide(self, columns: Columns, rows: int) -> tuple[Scored, Mapping[str, Outside], Decided]:
        scored = self._engine.model.score(columns, rows)
        outside = self._ranges.outside(columns)
        return scored, outside, self._decider.decide(columns, scored.pd, outside)
