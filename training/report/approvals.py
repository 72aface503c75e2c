"""Decisions of many applicants at once, and what they mean for the groups that a contract names."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decision import Outcome, Policy, decide
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.groups import groups_of
from training.metrics import Probabilities
from training.report.cells import FEW
from training.report.resampling import Estimate, Floats, Resamples, Weights, interval, share

FOUR_FIFTHS = 0.8
"""29 CFR 1607.4(D) looks at rates under four fifths of the highest group's."""

Severities = NDArray[np.intp]
"""Outcomes by their position in `Outcome`, best first, shape (n,)."""

Outside = Callable[[Application], Container[str]]

_SEVERITY = {outcome: i for i, outcome in enumerate(Outcome)}


def ruled(policy: Policy, applications: Sequence[Application], outside: Outside) -> Severities:
    """What the policy's rules alone decide, whatever the PD, shape (n,).

    Args:
        policy: with the rules.
        applications: n of them.
        outside: tells of one which of its values lie outside of what the model knows, as rules count it.
    """
    return np.array([_SEVERITY[decide(policy, each, 0.0, outside(each)).outcome] for each in applications])


def decided(policy: Policy, rules: Severities, pd: Probabilities) -> Severities:
    """The outcomes for these PDs: the worse of the rules' and the band's, as `decision.decide` has it.

    Args:
        policy: with the bands.
        rules: of `ruled`, shape (n,).
        pd: shape (n,).
    """
    thresholds = [policy.thresholds.approve_below, policy.thresholds.reject_from]
    return np.asarray(np.maximum(rules, np.searchsorted(thresholds, pd, side="right")))


@dataclass(frozen=True, slots=True)
class Grouped:
    """Which applicants are in which group of one grouping.

    Attributes:
        title: what they are grouped by.
        names: of the groups that have rows, in order.
        member: shape (n, groups).
    """

    title: str
    names: tuple[str, ...]
    member: NDArray[np.bool_]

    @property
    def rows(self) -> NDArray[np.intp]:
        """Applicants in each group."""
        return np.asarray(self.member.sum(axis=0))

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which groups others are compared with: those with rows enough, or the largest where none has."""
        enough = self.rows >= FEW
        return enough if enough.any() else self.rows == self.rows.max()


def grouped(contract: Contract, applications: Sequence[Application]) -> list[Grouped]:
    """The contract's groupings."""
    made = []
    for groups in groups_of(contract):
        of_row = np.array([groups.of(application) for application in applications])
        names = tuple(name for name in groups.names if (of_row == name).any())
        made.append(Grouped(groups.title, names, of_row[:, None] == np.array(names)[None, :]))
    return made


@dataclass(frozen=True, slots=True)
class Approval:
    """How often a group is approved without conditions.

    Attributes:
        name: of the group.
        rows: applicants in it.
        rate: share of them approved.
        ratio: to the highest rate among the groups with rows enough; see `FOUR_FIFTHS`.
    """

    name: str
    rows: int
    rate: Estimate
    ratio: Estimate

    @property
    def few(self) -> bool:
        """Whether there are too few rows to say much."""
        return self.rows < FEW


@dataclass(frozen=True, slots=True)
class Approvals:
    """Approval by the groups of one grouping.

    Attributes:
        title: what they are grouped by.
        groups: those that have rows.
    """

    title: str
    groups: tuple[Approval, ...]

    @property
    def lowest(self) -> Approval:
        """The group of the lowest ratio among those with rows enough, or among all where none has."""
        enough = [group for group in self.groups if not group.few]
        return min(enough or self.groups, key=lambda group: group.ratio.value)


def approvals(by: Sequence[Grouped], outcomes: Severities, resamples: Resamples) -> tuple[Approvals, ...]:
    """Approval by group, with intervals.

    Args:
        by: groupings of n applicants.
        outcomes: theirs, shape (n,).
        resamples: of the n rows.
    """
    approved = outcomes == _SEVERITY[Outcome.APPROVE]
    return tuple(_approvals(grouping, approved, resamples) for grouping in by)


def lowest_ratios(by: Sequence[Grouped], outcomes: Severities) -> dict[str, float]:
    """Grouping to the lowest ratio among its groups with rows enough."""
    approved = (outcomes == _SEVERITY[Outcome.APPROVE]).astype(np.float64)
    lowest = {}
    for grouping in by:
        rates = (approved @ grouping.member / grouping.rows)[grouping.compared]
        lowest[grouping.title] = float(rates.min() / rates.max()) if rates.max() > 0 else 1.0
    return lowest


def _approvals(grouping: Grouped, approved: NDArray[np.bool_], resamples: Resamples) -> Approvals:
    statistic = _rates(grouping, approved)
    count = len(grouping.names)
    here, over = resamples.once(statistic), resamples.over(statistic)
    made = []
    for i, (name, rows) in enumerate(zip(grouping.names, grouping.rows.tolist(), strict=True)):
        rate = share(float(approved[grouping.member[:, i]].sum()), rows, over[:, i])
        ratio = Estimate(float(here[count + i]), *interval(over[:, count + i]))
        made.append(Approval(name, rows, rate, ratio))
    return Approvals(grouping.title, tuple(made))


def _rates(grouping: Grouped, approved: NDArray[np.bool_]) -> Callable[[Weights], Floats]:
    """Rates of all groups, then their ratios to the highest of those compared with."""
    ones = grouping.member.astype(np.float64)
    yes = ones * approved[:, None]
    compared = grouping.compared

    def statistic(weights: Weights) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = (weights @ yes) / (weights @ ones)
            highest = np.nan_to_num(rates[:, compared]).max(axis=1, keepdims=True)
            return np.concatenate([rates, rates / np.where(highest > 0, highest, np.nan)], axis=1)

    return statistic
