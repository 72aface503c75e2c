"""Whether better values of a field would have lowered the probability of default (PD), all else held.

A reason names a field, and is true only if they would: attributions compare an applicant with others, and can find a
field adverse that already is as good as it gets. What is better the contract says by a direction; where it says
nothing, any value that an application may state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Flag, Integer, Number, Ratio
from scoring.scorer import Scorer


class Improvements:
    """The same applicants with better values, and what the model says of them."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._contract = scorer.schema.contract
        self._best = {name: best_values(self._contract.by_name[name]) for name in self._contract.scored}
        # Where no value is best, the model tells values apart at its thresholds only.
        self._cuts = {name: self._thresholds(name) for name in self._without_best()}

    def lowering(self, application: Application, pd: float, fields: Iterable[str]) -> frozenset[str]:
        """Those of `fields` of which some better value gets a PD below `pd`, the application's own."""
        others = [(name, other) for name in fields for other in self._others(application, name)]
        if not others:
            return frozenset()
        pds = self._scorer.score([other for _, other in others]).pd.tolist()
        return frozenset(name for (name, _), other_pd in zip(others, pds, strict=True) if other_pd < pd)

    def _others(self, application: Application, name: str) -> Iterator[Application]:
        field = self._contract.by_name[name]
        values = self._best[name] or self._between(field, application)
        if isinstance(field, Ratio):
            # Only it moves: through one of its two fields would be that field's improvement.
            return ({**application, name: value} for value in values)
        return (self._contract.with_values(application, {name: value}) for value in values)

    def _between(self, field: AnyField, application: Application) -> Iterator[float]:
        """A value of a number without a direction from each interval that the model tells apart."""
        cuts = chain(self._cuts[field.name], self._cuts_of_ratios(field, application))
        if isinstance(field, Ratio):
            return representatives(cuts, 0, field.maximum)
        assert isinstance(field, Number | Integer)
        return representatives(cuts, field.least, field.greatest, whole=isinstance(field, Integer))

    def _cuts_of_ratios(self, field: AnyField, application: Application) -> Iterator[float]:
        """Where a ratio that moves with a field crosses one of its thresholds."""
        for ratio in _ratios_of(self._contract, field.name):
            above = ratio.numerator == field.name
            held = application[ratio.denominator if above else ratio.numerator]
            if isinstance(held, int | float):
                yield from (cut * held if above else held / cut for cut in self._cuts[ratio.name] if cut > 0)

    def _without_best(self) -> set[str]:
        names = {name for name, best in self._best.items() if not best}
        return names | {ratio.name for name in names for ratio in _ratios_of(self._contract, name)}

    def _thresholds(self, name: str) -> Sequence[float]:
        features = self._contract.features
        columns = [i for i in self._scorer.schema.columns(name) if features[i].kind == "number"]
        return self._scorer.leaves.ensemble.thresholds(columns)


def best_values(field: AnyField) -> tuple[Any, ...]:
    """The values among which the lowest PD is bound to be; none for a number without a direction."""
    if field.direction is None:
        return field.choices
    rises = field.direction == "rises"
    if isinstance(field, Ratio):
        return (0.0 if rises else field.maximum,)
    if isinstance(field, Number | Integer):
        best = (state for state, end in field.standing.items() if end == "best")
        return (field.least if rises else field.greatest, *best)
    in_order = (field.no, field.yes) if isinstance(field, Flag) else field.choices
    return (in_order[0 if rises else -1],)


def representatives(cuts: Iterable[float], least: float, greatest: float, *, whole: bool = False) -> Iterator[float]:
    """A number from each interval that `cuts` leave between two bounds: above one cut, up to the next."""
    ends = [least, *sorted({cut for cut in cuts if least <= cut < greatest}), greatest]
    if whole:
        first = (math.floor(end) + 1 for end in ends[1:-1])
        return chain([math.ceil(least)], (number for number in first if number <= greatest))
    return chain([least], (low + (high - low) / 2 for low, high in pairwise(ends)), [greatest])


def _ratios_of(contract: Contract, name: str) -> list[Ratio]:
    return [ratio for ratio in contract.ratios if ratio.scored and name in (ratio.numerator, ratio.denominator)]
