"""This run's ratios against those of the results checked in. Absolutes are another machine's, and are left alone."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.section import Ratio, Section
from benchmarks.spread import number

LOSS = 0.15
"""Of a ratio's median, in the bad direction."""


def loss(before: Ratio, now: Ratio) -> float:
    """How much worse a ratio has become, as a share: negative where it is better, NaN where a run has no value."""
    if before.higher_is_better:
        return 1 - now.over.median / before.over.median
    return now.over.median / before.over.median - 1


def losses(before: Mapping[str, Section], now: Mapping[str, Section]) -> list[str]:
    """A line for each ratio that both runs have and that has become worse by more than `LOSS`."""
    lines = []
    for name, section in now.items():
        earlier = before[name].ratios if name in before else {}
        for what, ratio in section.ratios.items():
            if what in earlier and loss(earlier[what], ratio) > LOSS:
                was, is_ = number(earlier[what].over.median), number(ratio.over.median)
                lines.append(f"{what}: {is_}, was {was}, worse by {loss(earlier[what], ratio):.0%}")
    return lines
