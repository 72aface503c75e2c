"""Rules that would punish an improvement: such a rule holds for some value and not for a worse one of the same field.

A missing value, or a state that stands worst, is no value here: `is_null` and a state's name ask for it by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from preprocessing.base import Direction, Value, opposite
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number, Ratio

if TYPE_CHECKING:
    from decision.policy import Condition


def told_apart(bounds: Iterable[Value], least: float, greatest: float, *, whole: bool) -> list[float]:
    """Numbers in a range, rising, one of each kind that conditions with these bounds can tell apart."""
    numbers = {least, greatest}
    for bound in bounds:
        if not isinstance(bound, int | float):
            continue
        below = math.floor(bound)
        numbers |= {below - 1, below, below + 1, below + 2}
        if not whole:
            numbers |= {bound, math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf)}
    return sorted(number for number in numbers if least <= number <= greatest)


def reversals(conditions: Sequence[Condition], contract: Contract) -> Iterator[str]:
    """The fields of a rule's conditions of which it would punish an improvement, each with the remedy."""
    for name in dict.fromkeys(condition.field for condition in conditions):
        field = contract.by_name[name]
        # A condition of no value is no comparison, and holds on the worse side only.
        asked = [c for c in conditions if c.field == name and (c.op == "is_null" or c.value is not None)]
        for direction in _directions(field, contract):
            values = [
                *_worst_first(field, direction, [value for condition in asked for value in condition.values]),
                *_best_states(field, contract),
            ]
            matched = [all(condition.matches({name: value}) for condition in asked) for value in values]
            if True in matched[(spared := [*matched, False].index(False)) :]:
                punished = values[matched.index(True, spared)]
                yield (
                    f"would punish an improvement of {name}, which {direction}: it holds for {punished} and not for "
                    f"{values[spared]}, which is worse; {_remedy(field, direction)}"
                )


def _directions(field: AnyField, contract: Contract) -> set[Direction]:
    """Which way a field goes; a ratio that isn't scored may state none, and goes as what it is made of."""
    directions = {field.direction}
    if isinstance(field, Ratio):
        directions |= {
            contract.by_name[field.numerator].direction,
            opposite(contract.by_name[field.denominator].direction),
        }
    return {direction for direction in directions if direction is not None}


def _worst_first(field: AnyField, direction: Direction, bounds: Iterable[Value]) -> Sequence[Value]:
    if isinstance(field, Ratio):
        rising = told_apart(bounds, 0, field.maximum, whole=False)
    elif isinstance(field, Number | Integer):
        rising = told_apart(bounds, field.least, field.greatest, whole=isinstance(field, Integer))
    else:
        return field.worst_first
    return rising if direction == "falls" else rising[::-1]


def _best_states(field: AnyField, contract: Contract) -> list[Value]:
    """What no number is better than; a ratio is missing where one of its two is so."""
    if isinstance(field, Ratio):
        made_of = (contract.by_name[field.numerator], contract.by_name[field.denominator])
        return [None] if any(operand.best_states for operand in made_of) else []
    return list(field.best_states)


def _remedy(field: AnyField, direction: Direction) -> str:
    if field.choices:
        return "name every worse one too"
    side = "> or >=" if direction == "rises" else "< or <="
    return f"compare it by {side} alone, or narrow the contract's range to what may be asked at all"
