"""Stability: how much of an answer is chance, as another seed or another split would have had it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from decision import Policy
from training.metrics import Labels, Probabilities, measure
from training.report.approvals import Severities, decided

SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Another:
    """The same figures, had one thing been drawn otherwise.

    Attributes:
        name: what was.
        roc_auc: of its out-of-fold PDs.
        brier: the same.
        change: mean absolute difference of an applicant's PDs.
        decisions: share of applicants whose outcome differs.
    """

    name: str
    roc_auc: float
    brier: float
    change: float
    decisions: float


def compared(
    labels: Labels, pd: Probabilities, others: Mapping[str, Probabilities], policy: Policy, rules: Severities
) -> tuple[Another, ...]:
    """Hold others against the headline's.

    Args:
        labels: shape (n,).
        pd: the headline's out-of-fold PDs, shape (n,).
        others: name to out-of-fold PDs of the same applicants.
        policy: decides.
        rules: what its rules alone decide, shape (n,).
    """
    outcomes = decided(policy, rules, pd)
    found = []
    for name, other in others.items():
        metrics = measure(labels, other)
        differ = float((decided(policy, rules, other) != outcomes).mean())
        found.append(Another(name, metrics.roc_auc, metrics.brier, float(np.abs(other - pd).mean()), differ))
    return tuple(found)
