"""This run's ratios against those of the results checked in. Absolutes are another machine's, and are left alone."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.section import Ratio, Section
from benchmarks.spread import number

LOSS = 0.15
"""Of a ratio's median, in the bad direction."""

LOSS_OF_A_TRIAL = 0.5
"""The same where rounds are short and others may have the machine."""


def loss(before: Ratio, now: Ratio) -> float:
    """How much worse a ratio has become, as a share: negative where it is better, NaN where a run has no value."""
    return _loss(before, now.over.median)


def _loss(before: Ratio, now: float) -> float:
    share = now / before.over.median
    return 1 - share if before.higher_is_better else share - 1


def is_lost(before: Ratio, now: Ratio, most: float = LOSS) -> bool:
    """Whether a ratio has become worse by more than `most` in every round: noise seldom spoils all of them."""
    return bool(now.over.rounds) and all(_loss(before, each) > most for each in now.over.rounds)


def losses(before: Mapping[str, Section], now: Mapping[str, Section], most: float = LOSS) -> list[str]:
    """A line for each ratio that both runs have and that has become worse by more than `most` in every round."""
    lines = []
    for name, section in now.items():
        earlier = before[name].ratios if name in before else {}
        for what, ratio in section.ratios.items():
            if what in earlier and is_lost(earlier[what], ratio, most):
                was, is_ = number(earlier[what].over.median), number(ratio.over.median)
                lines.append(f"{what}: {is_}, was {was}, worse by {loss(earlier[what], ratio):.0%}")
    return lines
