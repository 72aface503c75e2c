"""The reference population, and the attribution tables against it.

Reg B's commentary on 12 CFR 1002.9(b)(2) accepts reasons found by comparing an applicant with those at or just above
the cut-off. So the population is the training applications that the policy approves by a small margin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from decision import Outcome, Policy, decide
from preprocessing.application import Application
from preprocessing.features import FeatureSchema
from scoring.artifact import ReferencePopulation
from scoring.attribution import LeafIndex, Tables
from training.errors import TrainingError

WIDTH = 0.8
"""The population's PDs lie from this fraction of the policy's approval threshold up to the threshold."""


def reference_tables(
    model: GradientBoostingClassifier, schema: FeatureSchema, applications: Sequence[Application], policy: Policy
) -> tuple[Tables, ReferencePopulation]:
    """Attribution tables against the applications that `policy` marginally approves.

    Raises:
        TrainingError: it marginally approves none of them.
    """
    matrix = schema.matrix(applications)
    pds = model.predict_proba(matrix)[:, 1]
    below = policy.thresholds.approve_below
    marginal = [
        i
        for i in np.flatnonzero((pds >= WIDTH * below) & (pds < below)).tolist()
        if decide(policy, applications[i], float(pds[i])).outcome is Outcome.APPROVE
    ]
    if not marginal:
        raise TrainingError(f"no application has a PD just under {below}; use a policy with another approval threshold")
    tables = LeafIndex(model, schema).build_tables(matrix[marginal])
    population = ReferencePopulation(
        size=len(marginal),
        pd_from=WIDTH * below,
        pd_below=below,
        policy_version=policy.version,
        base_value=tables.base_value,
    )
    return tables, population
