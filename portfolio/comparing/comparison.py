"""What is said of two policies or models over the same applications; what can't be told is NaN."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import Identity
from engine.columnar.deciding import OUTCOMES
from portfolio.comparing.tally import Measure, Tally
from records.figures.statistics import Estimate, mean_of_sums, paired_difference, plain, share

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lending:
    """Applications of one kind, and what becomes of them by the PD and in fact.

    Attributes:
        applications: how many.
        share: of all in the group.
        expected_bad: mean PD.
        known: how many have an outcome.
        observed_bad: share of these that defaulted.
        amount: asked for, of those whose amount and terms are known.
        expected_profit: by the PD, of the same.
        observed_profit: by the outcome, of those of them that have one.
    """

    applications: int
    share: float
    expected_bad: float
    known: int
    observed_bad: Estimate
    amount: float
    expected_profit: float
    observed_profit: float


@dataclass(frozen=True, slots=True)
class Swap:
    """Applications of one pair of decisions; `lending` goes by A's PDs, and by B's.

    Attributes:
        a: A's decision.
        b: B's.
        by_a: what becomes of them.
        by_b: the same by B's PDs.
    """

    a: str
    b: str
    by_a: Lending
    by_b: Lending


@dataclass(frozen=True, slots=True)
class Given:
    """How often a decision is given, and to whom.

    Attributes:
        outcome: the decision.
        a: those who get it from A.
        b: those who get it from B.
        difference: of the shares, B's less A's.
    """

    outcome: str
    a: Lending
    b: Lending
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Group:
    """Applicants of a group, and those of them that are approved without conditions.

    Attributes:
        grouping: what they are grouped by.
        name: of the group.
        applications: how many.
        a: those that A approves.
        b: those that B approves.
    """

    grouping: str
    name: str
    applications: int
    a: Lending
    b: Lending


@dataclass(frozen=True, slots=True)
class RuleUse:
    """What one rule does.

    Attributes:
        id: of the rule.
        outcome: that it brings at best.
        holds: applications that it holds for.
        alone: of them, those that band and all other rules would treat better.
    """

    id: str
    outcome: str
    holds: int
    alone: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well PDs tell defaults, of applications that have an outcome.

    Attributes:
        auc: area under the ROC curve, over bins of the PD.
        brier: mean squared error.
    """

    auc: float
    brier: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it.

    Attributes:
        a: the model and policy of A.
        b: the same of B.
        same_model: whether both score by the same files.
        rows: of the input.
        unread: those that A's contract refuses, and those that B's does.
        applications: the rest, which both decide.
        known: of them, those that have an outcome.
        strange: those whose label holds a value that the contract doesn't name.
        agreed: share of the same decision.
        swaps: each pair of decisions, A's first.
        given: each decision.
        groups: by everything that the contract groups by; the first is everybody.
        rules: A's, and B's.
        ranking: A's, and B's.
        brier_difference: B's less A's.
        binned: by side and bin of the PD: applications, outcomes, defaults.
        valued: applications whose amount and terms are known; None where nobody asked for profit.
    """

    a: Identity
    b: Identity
    same_model: bool
    rows: int
    unread: tuple[int, int]
    applications: int
    known: int
    strange: int
    agreed: Estimate
    swaps: tuple[Swap, ...]
    given: tuple[Given, ...]
    groups: tuple[Group, ...]
    rules: tuple[tuple[RuleUse, ...], tuple[RuleUse, ...]]
    ranking: tuple[Ranking, Ranking]
    brier_difference: Estimate
    binned: NDArray[np.int64]
    valued: int | None

    @property
    def changed(self) -> int:
        """Applications that get another decision."""
        return sum(swap.by_a.applications for swap in self.swaps if swap.a != swap.b)

    def document(self) -> dict[str, Any]:
        """For JSON, which has no NaN: that is null."""
        document = asdict(self)
        del document["binned"]
        document["changed"] = self.changed
        found: dict[str, Any] = plain(document)
        return found


def concluded(tally: Tally, identities: tuple[Identity, Identity], *, same_model: bool, valued: bool) -> Comparison:
    """What a tally says.

    Args:
        tally: of all rows; at least one application.
        identities: of A and B.
        same_model: whether both score by the same files.
        valued: whether profit was asked for.
    """
    everybody = tally.sums[0]
    applications = round(everybody[..., Measure.APPLICATIONS].sum())
    counts = everybody[..., Measure.APPLICATIONS].round().astype(int)
    places = range(len(OUTCOMES))
    approved = (tally.sums[:, 0, :].sum(axis=1), tally.sums[:, :, 0].sum(axis=1))
    sizes = tally.sums[..., Measure.APPLICATIONS].sum(axis=(1, 2))
    known = round(everybody[..., Measure.KNOWN].sum())
    briers = [mean_of_sums(total, squares, known) for total, squares in tally.squares.tolist()]
    return Comparison(
        a=identities[0],
        b=identities[1],
        same_model=same_model,
        rows=tally.rows,
        unread=tally.unread,
        applications=applications,
        known=known,
        strange=tally.strange,
        agreed=share(int(np.trace(counts)), applications),
        swaps=tuple(
            Swap(OUTCOMES[i], OUTCOMES[j], *(_lending(everybody[i, j], applications, side, valued) for side in (0, 1)))
            for i in places for j in places
        ),
        given=tuple(
            Given(
                OUTCOMES[i],
                _lending(everybody[i].sum(axis=0), applications, 0, valued),
                _lending(everybody[:, i].sum(axis=0), applications, 1, valued),
                paired_difference(
                    int(counts[:, i].sum() - counts[i, i]), int(counts[i].sum() - counts[i, i]), applications
                ),
            )
            for i in places
        ),
        groups=tuple(
            Group(title, name, round(size), *(_lending(approved[side][i], size, side, valued) for side in (0, 1)))
            for i, ((title, name), size) in enumerate(zip(tally.groups, sizes.tolist(), strict=True)) if size
        ),
        rules=(_rules(tally, 0), _rules(tally, 1)),
        ranking=(Ranking(_auc(tally.binned[0]), briers[0]), Ranking(_auc(tally.binned[1]), briers[1])),
        brier_difference=briers[2],
        binned=tally.binned,
        valued=round(everybody[..., Measure.VALUED].sum()) if valued else None,
    )  # fmt: skip


def _lending(sums: Floats, of: float, side: int, valued: bool) -> Lending:
    """What the sums of one kind of applications say, by the PDs of a side."""
    applications, known = round(sums[Measure.APPLICATIONS]), round(sums[Measure.KNOWN])
    money = valued and sums[Measure.VALUED] > 0
    return Lending(
        applications=applications,
        share=applications / of if of else math.nan,
        expected_bad=float(sums[(Measure.PD_A, Measure.PD_B)[side]]) / applications if applications else math.nan,
        known=known,
        observed_bad=share(round(sums[Measure.DEFAULTED]), known),
        amount=float(sums[Measure.AMOUNT]) if money else math.nan,
        expected_profit=float(sums[(Measure.EXPECTED_A, Measure.EXPECTED_B)[side]]) if money else math.nan,
        observed_profit=float(sums[Measure.EARNED]) if money and sums[Measure.EARNING] else math.nan,
    )


def _rules(tally: Tally, side: int) -> tuple[RuleUse, ...]:
    rules = tally.policies[side].rules
    return tuple(
        RuleUse(rule.id, rule.outcome.value, holds, decides)
        for rule, holds, decides in zip(
            rules, tally.holds[side].tolist(), tally.decides[side].tolist(), strict=True
        )
    )  # fmt: skip


def _auc(binned: NDArray[np.int64]) -> float:
    """Area under the ROC curve, where PDs of one bin count as equal; NaN without defaults or without others."""
    bad = binned[:, 2].astype(np.float64)
    good = binned[:, 1] - bad
    if not (bad.sum() and good.sum()):
        return math.nan
    below = np.cumsum(good) - good
    return float((bad * (below + good / 2)).sum() / (bad.sum() * good.sum()))
