"""What the decisions mean for groups of applicants, and that age has no part in them.

Reg B (12 CFR 1002.6(b)(2)): the age of an applicant of 62 or more must never count against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from decision import Outcome, Policy, decide
from preprocessing.application import LoanApplication
from preprocessing.cleaning import policy_fields
from preprocessing.features import FeatureSchema
from training.groups import GROUPINGS
from training.metrics import Probabilities

SWEPT_AGES = range(18, 101)
SWEPT_APPLICATIONS = 500


@dataclass(frozen=True, slots=True)
class GroupApproval:
    """How often a group is approved without conditions.

    Attributes:
        name: of the group.
        rows: applicants in it.
        approval_rate: share of them approved, 0 to 1; None where there are none.
        ratio: to the rate of the largest group; the "four-fifths rule" of 29 CFR 1607.4(D) looks at ratios under .8.
    """

    name: str
    rows: int
    approval_rate: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class AgeSweep:
    """What happens to PDs when nothing but age changes.

    Attributes:
        applications: how many were swept through every age.
        ages: how many ages.
        largest_change: of a PD; 0 where age is not read.
    """

    applications: int
    ages: int
    largest_change: float


@dataclass(frozen=True, slots=True)
class Fairness:
    """Approval by group under a named policy, and the sweep over ages.

    Attributes:
        policy_version: of the policy that decided.
        approvals: grouping to its groups.
        age_sweep: see there.
    """

    policy_version: str
    approvals: dict[str, list[GroupApproval]]
    age_sweep: AgeSweep


def fairness(
    model: GradientBoostingClassifier,
    schema: FeatureSchema,
    applications: Sequence[LoanApplication],
    pds: Probabilities,
    policy: Policy,
) -> Fairness:
    """Examine decisions over a portfolio.

    Args:
        model: for the sweep over ages.
        schema: its features.
        applications: n of them.
        pds: their out-of-fold PDs, shape (n,).
        policy: decides.
    """
    approved = approvals(applications, pds, policy)
    by_group = {
        name: _by_group([group_of(a) for a in applications], approved, groups)
        for name, (group_of, groups) in GROUPINGS.items()
    }
    return Fairness(policy.version, by_group, sweep_ages(model, schema, applications))


def approvals(applications: Sequence[LoanApplication], pds: Probabilities, policy: Policy) -> list[bool]:
    """Whether each application is approved without conditions."""
    return [
        decide(policy, policy_fields(application), pd).outcome is Outcome.APPROVE
        for application, pd in zip(applications, pds.tolist(), strict=True)
    ]


def sweep_ages(
    model: GradientBoostingClassifier, schema: FeatureSchema, applications: Sequence[LoanApplication]
) -> AgeSweep:
    """Score applications at every adult age, evenly chosen ones where there are many."""
    step = max(1, len(applications) // SWEPT_APPLICATIONS)
    chosen = applications[::step][:SWEPT_APPLICATIONS]
    base = model.predict_proba(schema.matrix(chosen))[:, 1]
    largest = 0.0
    for age in SWEPT_AGES:
        aged = [application.model_copy(update={"person_age": age}) for application in chosen]
        largest = max(largest, float(np.abs(model.predict_proba(schema.matrix(aged))[:, 1] - base).max()))
    return AgeSweep(len(chosen), len(SWEPT_AGES), largest)


def _by_group(names: Sequence[str], approved: Sequence[bool], groups: Sequence[str]) -> list[GroupApproval]:
    counts = {group: names.count(group) for group in groups}
    rates = {
        group: sum(ok for name, ok in zip(names, approved, strict=True) if name == group) / counts[group]
        for group in groups
        if counts[group]
    }
    base = rates[max(rates, key=lambda group: counts[group])]
    return [
        GroupApproval(group, counts[group], rates.get(group), rates[group] / base if group in rates and base else None)
        for group in groups
    ]
