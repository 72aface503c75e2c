"""What the decisions mean for the groups of applicants that a contract names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from decision import Outcome, Policy, decide
from training.data import TrainingData
from training.groups import groups_of
from training.metrics import Probabilities


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
class Fairness:
    """Approval by group under a named policy.

    Attributes:
        policy_version: of the policy that decided.
        approvals: grouping to its groups.
    """

    policy_version: str
    approvals: dict[str, list[GroupApproval]]


def fairness(data: TrainingData, pds: Probabilities, policy: Policy) -> Fairness:
    """Examine decisions over the training data.

    Args:
        data: n applications.
        pds: their out-of-fold PDs, shape (n,).
        policy: decides.
    """
    approved = [
        decide(policy, application, pd).outcome is Outcome.APPROVE
        for application, pd in zip(data.applications, pds.tolist(), strict=True)
    ]
    by_group = {
        groups.title: _by_group([groups.of(application) for application in data.applications], approved, groups.names)
        for groups in groups_of(data.contract)
    }
    return Fairness(policy.version, by_group)


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
