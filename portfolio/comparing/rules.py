"""What each rule of a policy decides: where it holds, and where it alone makes a decision worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decision import Outcome, Policy

OUTCOMES = tuple(Outcome)
"""Best first: a decision's number is its place among them."""

Places = NDArray[np.int8]
Matches = NDArray[np.bool_]


def severities(policy: Policy) -> Places:
    """The place of each rule's outcome, shape (rules,)."""
    return np.array([OUTCOMES.index(rule.outcome) for rule in policy.rules], dtype=np.int8)


def bands(policy: Policy, pd: NDArray[np.float64]) -> Places:
    """The place of the outcome that each PD alone would bring, shape (n,)."""
    thresholds = policy.thresholds
    return (pd >= thresholds.approve_below).astype(np.int8) + (pd >= thresholds.reject_from).astype(np.int8)


def outcomes(band: Places, matches: Matches, severity: Places) -> Places:
    """The worst of band and of every rule that holds.

    Args:
        band: shape (n,).
        matches: which rules hold, shape (n, rules).
        severity: of the rules, shape (rules,).
    """
    by_rules: Places = np.max(matches * severity, axis=1, initial=0).astype(np.int8)
    return np.maximum(band, by_rules)


def alone(band: Places, matches: Matches, severity: Places) -> Matches:
    """Which rules decide by themselves: without the one, band and all other rules would bring a better outcome.

    Args:
        band: shape (n,).
        matches: which rules hold, shape (n, rules).
        severity: of the rules, shape (rules,).
    """
    brought = matches * severity
    worst = outcomes(band, matches, severity)[:, None]
    as_bad = (brought == worst).sum(axis=1, keepdims=True)
    deciding: Matches = matches & (brought == worst) & (as_bad == 1) & (band[:, None] < worst)
    return deciding


def names(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Ids of the rules of either, each once, in the order of the first that has it."""
    return tuple(dict.fromkeys(rule.id for policy in policies for rule in policy.rules))
