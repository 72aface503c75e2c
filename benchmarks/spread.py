"""Rounds of a measurement, summarised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over rounds.

    Attributes:
        rounds: one value each, in order; empty where no round was valid.
    """

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round; NaN where none was valid."""
        return median(self.rounds) if self.rounds else float("nan")

    def __str__(self) -> str:
        if not self.rounds:
            return "no valid round"
        if len(self.rounds) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.rounds))}-{number(max(self.rounds))})"


def spread(values: Sequence[float]) -> Spread:
    """A `Spread` of these rounds."""
    return Spread(tuple(map(float, values)))


def ratio(numerator: Spread, denominator: Spread) -> Spread:
    """Round by round, since what disturbs a machine disturbs neighbouring rounds alike.

    Where rounds were discarded and their numbers differ, the medians' ratio.
    """
    above, below = numerator.rounds, denominator.rounds
    if not above or not below:
        return Spread(())
    if len(above) != len(below):
        return Spread((numerator.median / denominator.median,))
    return Spread(tuple(a / b for a, b in zip(above, below, strict=True)))


def number(value: float) -> str:
    """Three significant digits, thousands grouped."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of an ordered sequence lies; NaN of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
