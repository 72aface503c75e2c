"""What an application would get along the whole range of one field, all else held.

Between two neighbouring cuts, of the model's trees or of a rule, nothing changes: one value of each interval tells all
of it, and where two neighbours are decided otherwise the first value of the other decision is found by narrowing it
down. So the ends are exact, whether or not the risk goes one way.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from decision import Outcome
from decision.policy import OUTSIDE, Condition
from engine.engine import Engine
from preprocessing.application import Application
from preprocessing.base import Value
from preprocessing.fields import AnyField, Integer, Number
from scoring.improvements import representatives

SECTIONS = 8
"""Into how many parts what lies between two values is cut by one call of the scorer."""

LARGE = 10_000
"""Of a number whose range ends above, nobody asks for parts of a unit."""


class Stretch(NamedTuple):
    """Neighbouring numbers with one decision, both ends included, on the grid of the field's steps.

    Attributes:
        low: the least.
        high: the greatest.
        outcome: that each gets.
        pds: the least and the greatest probability of default among them.
    """

    low: float
    high: float
    outcome: Outcome
    pds: tuple[float, float]


class Single(NamedTuple):
    """A value by itself: a category, the state of a special code, or none."""

    value: Value
    outcome: Outcome
    pd: float


class Along(NamedTuple):
    """All of a field's values.

    Attributes:
        stretches: of a number, rising; they cover its range.
        steps: of a number, rising: from where on which PD holds.
        singles: the values that are no numbers.
    """

    stretches: tuple[Stretch, ...]
    steps: tuple[tuple[float, float], ...]
    singles: tuple[Single, ...]


def along(engine: Engine, application: Application, name: str) -> Along:
    """What each value of a field would get in one application.

    Args:
        engine: decides.
        application: as the contract reads it.
        name: of a field that rules or scores read, and that is no ratio.
    """
    line = _Line(engine, application, engine.contract.by_name[name])
    stretches, steps = line.stretches()
    return Along(stretches, steps, line.singles())


def steps_per_unit(field: Number | Integer) -> int:
    """How finely the ends of stretches are told: to the unit, or to a hundredth of what is no large number."""
    fine = isinstance(field, Number) and field.greatest <= LARGE
    return max(field.steps_per_unit, 100 if fine else 1)


def _cut_between(cuts: Sequence[float], low: float, high: float) -> float:
    place = bisect_left(cuts, low)
    return cuts[place] if place < len(cuts) and cuts[place] <= high else high


class _Line:
    """One application with other values of one field."""

    def __init__(self, engine: Engine, application: Application, field: AnyField) -> None:
        self._engine, self._application, self._field = engine, application, field

    def singles(self) -> tuple[Single, ...]:
        field = self._field
        values: list[Value] = [*field.choices, *field.states, *([None] if field.nullable else [])]
        return tuple(Single(value, *told) for value, told in zip(values, self._told(values), strict=True))

    def stretches(self) -> tuple[tuple[Stretch, ...], tuple[tuple[float, float], ...]]:
        field = self._field
        if not isinstance(field, Number | Integer):
            return (), ()
        cuts = sorted({cut for cut in self._cuts(field) if math.isfinite(cut)})
        values = sorted({*representatives(cuts, field.least, field.greatest, whole=isinstance(field, Integer))})
        told = self._told(values)
        turns = [i for i in range(1, len(values)) if told[i][0] is not told[i - 1][0]]
        ends = self._narrowed([(values[i - 1], values[i], told[i][0]) for i in turns], field)
        begins = [values[0], *(_cut_between(cuts, low, high) for low, high in pairwise(values))]
        firsts = [field.least, *(first for _, first in ends)]
        lasts = [*(last for last, _ in ends), field.greatest]
        parts = [[pd for _, pd in part] for _, part in groupby(told, key=lambda each: each[0])]
        outcomes = [outcome for outcome, _ in groupby(told, key=lambda each: each[0])]
        found = zip(firsts, lasts, outcomes, parts, strict=True)
        steps = tuple(zip(begins, (pd for _, pd in told), strict=True))
        return tuple(Stretch(low, high, outcome, (min(pds), max(pds))) for low, high, outcome, pds in found), steps

    def _told(self, values: Sequence[Value]) -> list[tuple[Outcome, float]]:
        others = [self._engine.contract.with_values(self._application, {self._field.name: each}) for each in values]
        return self._engine.outcomes(others) if others else []

    def _cuts(self, field: Number | Integer) -> Iterator[float]:
        yield from self._engine.cuts(field.name, self._application)
        for rule in self._engine.policy.rules:
            for condition in rule.conditions:
                yield from self._cuts_of(condition, field)

    def _cuts_of(self, condition: Condition, field: Number | Integer) -> Iterator[float]:
        """Where a condition may begin or cease to hold; around a value that it names alone, on either side."""
        bounds: Sequence[object] = condition.values
        if condition.op == OUTSIDE and not self._engine.contract.by_name[condition.field].choices:
            known = self._engine.scorer.ranges.known[condition.field]
            bounds = (known.low, known.high)
        step = 1 / steps_per_unit(field)
        for bound in bounds:
            if isinstance(bound, int | float):
                yield from (
                    each
                    for place in self._places(condition.field, float(bound), field)
                    for each in (place - step, place, place + step)
                )

    def _places(self, named: str, bound: float, field: Number | Integer) -> Iterator[float]:
        """What this field's value is where the named one reaches a bound: itself, or as a part of a ratio."""
        if named == field.name:
            yield bound
        for ratio in self._engine.contract.ratios:
            if ratio.name == named and field.name in (ratio.numerator, ratio.denominator):
                above = ratio.numerator == field.name
                held = self._application[ratio.denominator if above else ratio.numerator]
                if isinstance(held, int | float):
                    yield from [bound * held] if above else [held / bound] if bound > 0 else []

    def _narrowed(
        self, turns: Sequence[tuple[float, float, Outcome]], field: Number | Integer
    ) -> list[tuple[float, float]]:
        """The last value of one decision and the first of the next, on the grid, between two values of either."""
        per_unit = steps_per_unit(field)
        lows = [math.floor(low * per_unit) for low, _, _ in turns]
        highs = [math.ceil(high * per_unit) for _, high, _ in turns]
        while wide := [i for i in range(len(turns)) if highs[i] - lows[i] > 1]:
            points = [
                (i, place)
                for i in wide
                for place in sorted({lows[i] + (highs[i] - lows[i]) * part // SECTIONS for part in range(1, SECTIONS)})
                if lows[i] < place < highs[i]
            ]
            told = self._told([place / per_unit for _, place in points])
            for (i, place), (outcome, _) in zip(points, told, strict=True):
                if outcome is turns[i][2]:
                    highs[i] = min(highs[i], place)
                elif place < highs[i]:
                    lows[i] = max(lows[i], place)
        return [(low / per_unit, high / per_unit) for low, high in zip(lows, highs, strict=True)]
