"""The reference population, and the attribution tables against it.

Reg B's commentary on 12 CFR 1002.9(b)(2) accepts reasons found by comparing an applicant with those at or just above
the cut-off. So the population is the training applications that the policy approves by a small margin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decision import Outcome, Policy, decide
from preprocessing.application import Application
from scoring.artifact import ReferencePopulation
from scoring.attribution import LeafIndex, Tables
from training.errors import TrainingError
from training.metrics import Probabilities

WIDTH = 0.8
"""The population's PDs lie from this fraction of the policy's approval threshold up to the threshold."""


def reference_tables(
    leaves: LeafIndex,
    matrix: NDArray[np.float32],
    pds: Probabilities,
    applications: Sequence[Application],
    policy: Policy,
) -> tuple[Tables, ReferencePopulation]:
    """Attribution tables against the applications that `policy` marginally approves.

    Args:
        leaves: of the model.
        matrix: the applications' features, shape (n, k).
        pds: what the model gives them, shape (n,).
        applications: n of them.
        policy: approves or not.

    Raises:
        TrainingError: it marginally approves none of them.
    """
    below = policy.thresholds.approve_below
    marginal = [
        i
        for i in np.flatnonzero((pds >= WIDTH * below) & (pds < below)).tolist()
        if decide(policy, applications[i], float(pds[i])).outcome is Outcome.APPROVE
    ]
    if not marginal:
        raise TrainingError(f"no application has a PD just under {below}; use a policy with another approval threshold")
    tables = leaves.build_tables(matrix[marginal])
    population = ReferencePopulation(
        size=len(marginal),
        pd_from=WIDTH * below,
        pd_below=below,
        policy_version=policy.version,
        base_value=tables.base_value,
    )
    return tables, population
