"""Stability: how much of an answer is chance, as another seed or another split would have had it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from decision import Policy
from training.metrics import Labels
from training.report.approvals import Severities, decided
from training.report.refits import Refit

SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Another:
    """The same figures, had one thing been drawn otherwise.

    Attributes:
        name: what was.
        roc_auc: mean over its folds.
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
    labels: Labels, shipped: Refit, others: Mapping[str, Refit], policy: Policy, rules: Severities
) -> tuple[Another, ...]:
    """Hold others against the shipped recipe on the headline's folds.

    Args:
        labels: shape (n,).
        shipped: of n applicants.
        others: by name, of the same applicants.
        policy: decides.
        rules: what its rules alone decide, shape (n,).
    """
    outcomes = decided(policy, rules, shipped.pd)
    return tuple(
        Another(
            name,
            other.roc_auc(labels),
            other.brier(labels),
            change=float(np.abs(other.pd - shipped.pd).mean()),
            decisions=float((decided(policy, rules, other.pd) != outcomes).mean()),
        )
        for name, other in others.items()
    )
