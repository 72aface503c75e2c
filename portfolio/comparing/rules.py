"""Where each rule of a policy holds, and where it alone makes a decision worse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decision import Policy
from engine.columnar.deciding import OUTCOMES, Decided

Matches = NDArray[np.bool_]


def matches(decided: Decided) -> Matches:
    """Which rules hold, shape (n, rules)."""
    found: Matches = np.zeros((len(decided.outcome), len(decided.rules)), dtype=np.bool_)
    for i, holds in enumerate(decided.rules):
        if holds is not None:
            found[:, i] = holds
    return found


def alone(policy: Policy, decided: Decided) -> Matches:
    """Which rules decide by themselves: without the one, band and all other rules would bring a better outcome."""
    severity = np.array([OUTCOMES.index(rule.outcome) for rule in policy.rules], dtype=np.int8)
    bringing = matches(decided) & (severity == decided.outcome[:, None])
    by_one = (bringing.sum(axis=1) == 1) & (decided.band < decided.outcome)
    deciding: Matches = bringing & by_one[:, None]
    return deciding
