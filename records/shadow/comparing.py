"""What champion and challenger said of the same decisions, side by side.

Whom the champion refused has no outcome, and gets none here: of those that only the challenger would have approved
nothing is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from decision import Outcome
from records.figures.statistics import (
    Estimate,
    Floats,
    auc_pair,
    mean,
    paired_difference,
    plain,
    share,
    stability_index,
)

OUTCOMES = tuple(outcome.value for outcome in Outcome)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Said(NamedTuple):
    """What one of the two says of a decision.

    Attributes:
        pd: probability of default.
        outcome: the decision.
        reasons: their codes, in order.
    """

    pd: float
    outcome: str
    reasons: tuple[str, ...]


class Compared(NamedTuple):
    """One decision, by both.

    Attributes:
        champion: what was answered.
        challenger: what would have been.
        defaulted: what became of it; None where that isn't known.
    """

    champion: Said
    challenger: Said
    defaulted: bool | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """Decisions of one pair of outcomes.

    Attributes:
        champion: what was answered.
        challenger: what would have been.
        decisions: how many.
        known: how many of them have an outcome.
        default_rate: of those.
    """

    champion: str
    challenger: str
    decisions: int
    known: int
    default_rate: Estimate


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one outcome is given.

    Attributes:
        outcome: which.
        champion: its share.
        challenger: the same.
        difference: challenger less champion.
    """

    outcome: str
    champion: Estimate
    challenger: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Shift:
    """How the probability of default differs.

    Attributes:
        champion: its mean.
        challenger: the same.
        difference: mean of challenger less champion.
        quantiles: for each share of decisions, the PD that it lies below: champion's, challenger's, and that of the
            difference.
        stability_index: over the champion's tenths.
    """

    champion: Estimate
    challenger: Estimate
    difference: Estimate
    quantiles: tuple[tuple[float, float, float, float], ...]
    stability_index: float


@dataclass(frozen=True, slots=True)
class Reasons:
    """How the reasons differ, of decisions that neither approves.

    Attributes:
        decisions: how many these are.
        same: with the same reasons in the same order.
        same_set: with the same reasons.
        same_first: with the same one first.
        by_code: for each reason, how often the champion gives it, and the challenger.
    """

    decisions: int
    same: int
    same_set: int
    same_first: int
    by_code: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Performance:
    """How well the PDs tell what became of it, where that is known: of decisions that the champion approved.

    Attributes:
        known: how many these are.
        defaulted: of them.
        unknown: the others.
        auc: the champion's, the challenger's, and the difference.
        brier: the same.
        expected: the mean PD of each.
    """

    known: int
    defaulted: int
    unknown: int
    auc: tuple[Estimate, Estimate, Estimate]
    brier: tuple[Estimate, Estimate, Estimate]
    expected: tuple[Estimate, Estimate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it.

    Attributes:
        decisions: how many.
        agreed: on the outcome.
        swaps: each pair of outcomes, the champion's first.
        rates: each outcome.
        pd: its shift.
        reasons: how they differ.
        performance: where outcomes are known.
    """

    decisions: int
    agreed: Estimate
    swaps: tuple[Swap, ...]
    rates: tuple[Rate, ...]
    pd: Shift
    reasons: Reasons
    performance: Performance

    def document(self) -> dict[str, Any]:
        """For JSON, which has no NaN: that is null."""
        document: dict[str, Any] = plain(asdict(self))
        return document


def compare(decisions: Iterable[Compared]) -> Comparison:
    """Hold what a challenger said against what was answered."""
    both = list(decisions)
    champion = np.array([each.champion.pd for each in both], dtype=np.float64)
    challenger = np.array([each.challenger.pd for each in both], dtype=np.float64)
    pairs = Counter((each.champion.outcome, each.challenger.outcome) for each in both)
    return Comparison(
        decisions=len(both),
        agreed=share(sum(number for (one, two), number in pairs.items() if one == two), len(both)),
        swaps=tuple(_swaps(both, pairs)),
        rates=tuple(_rate(outcome, pairs) for outcome in OUTCOMES),
        pd=_shift(champion, challenger),
        reasons=_reasons([each for each in both if Outcome.APPROVE.value not in _outcomes(each)]),
        performance=_performance(both, champion, challenger),
    )


def _outcomes(each: Compared) -> tuple[str, str]:
    return each.champion.outcome, each.challenger.outcome


def _swaps(both: Sequence[Compared], pairs: Counter[tuple[str, str]]) -> Iterable[Swap]:
    known = Counter(_outcomes(each) for each in both if each.defaulted is not None)
    defaulted = Counter(_outcomes(each) for each in both if each.defaulted)
    for one in OUTCOMES:
        for two in OUTCOMES:
            pair = (one, two)
            yield Swap(one, two, pairs[pair], known[pair], share(defaulted[pair], known[pair]))


def _rate(outcome: str, pairs: Counter[tuple[str, str]]) -> Rate:
    decisions = pairs.total()
    gained = sum(number for (one, two), number in pairs.items() if one != outcome == two)
    lost = sum(number for (one, two), number in pairs.items() if one == outcome != two)
    kept = pairs[outcome, outcome]
    return Rate(
        outcome,
        share(kept + lost, decisions),
        share(kept + gained, decisions),
        paired_difference(gained, lost, decisions),
    )


def _shift(champion: Floats, challenger: Floats) -> Shift:
    difference = challenger - champion
    one, two, between = (
        np.quantile(each, QUANTILES).tolist() if len(each) else [] for each in (champion, challenger, difference)
    )
    return Shift(
        mean(champion),
        mean(challenger),
        mean(difference),
        tuple(zip(QUANTILES, one, two, between, strict=False)),  # none of no decisions
        stability_index(champion, challenger),
    )


def _reasons(refused: Sequence[Compared]) -> Reasons:
    given = [(each.champion.reasons, each.challenger.reasons) for each in refused]
    by_code = [Counter(code for reasons in of_one for code in set(reasons)) for of_one in zip(*given, strict=True)]
    one, two = by_code or (Counter[str](), Counter[str]())
    return Reasons(
        len(given),
        sum(first == second for first, second in given),
        sum(set(first) == set(second) for first, second in given),
        sum(first[:1] == second[:1] for first, second in given),
        {code: (one[code], two[code]) for code in sorted(one | two)},
    )


def _performance(both: Sequence[Compared], champion: Floats, challenger: Floats) -> Performance:
    known = np.array([each.defaulted is not None for each in both], dtype=bool)
    defaulted = np.array([bool(each.defaulted) for each in both], dtype=bool)[known]
    one, two = champion[known], challenger[known]
    errors = [(pds - defaulted) ** 2 for pds in (one, two)]
    return Performance(
        int(known.sum()),
        int(defaulted.sum()),
        len(both) - int(known.sum()),
        auc_pair(one, two, defaulted),
        (mean(errors[0]), mean(errors[1]), mean(errors[1] - errors[0])),
        (mean(one), mean(two)),
    )
